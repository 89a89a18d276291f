/* A part of <winsock2.h> on Windows. */
#include <winsock2.h>
