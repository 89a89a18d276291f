#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "cpp_headers.h"
#include "libc_headers.h"
#include "winsock_headers.h"
#include "program.h"
#include "program_cpp.h"
