/* A part of <windows.h> on Windows. */
#include <windows.h>
