#include "libc_headers.h"
#include "winsock_headers.h"
#include <windows.h>
#include "program.h"

int main(void) { return run(); }
