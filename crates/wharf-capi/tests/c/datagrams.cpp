#include "datagrams.h"
