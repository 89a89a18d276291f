#include "lookups.h"
