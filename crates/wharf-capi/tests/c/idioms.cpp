#include "idioms.h"
