#include "winsock_headers.h"
#include <windows.h>
#include "libc_headers.h"
#include "cpp_headers.h"
#include "program.h"
#include "program_cpp.h"
