/* The C run-time library's threads. */
#ifndef _INC_PROCESS
#define _INC_PROCESS
#pragma GCC system_header

#include <wharf/types.h>

WHARF_BEGIN_DECLARATIONS

uintptr_t _beginthreadex(void *security, unsigned stack_size, unsigned(__stdcall *start_address)(void *),
                         void *arglist, unsigned initflag, unsigned *thrdaddr);
void _endthreadex(unsigned retval) __attribute__((__noreturn__));

WHARF_END_DECLARATIONS

#endif
