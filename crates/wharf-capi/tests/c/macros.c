#include "macros.h"
