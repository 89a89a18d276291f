#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "libc_headers.h"
#include "winsock_headers.h"
#include <stdio.h>
#include "program.h"

int main(void) { return run(); }
