/* libc's <unistd.h>, whose gethostname is not Winsock's: see <winsock2.h>. */
#pragma GCC system_header
#undef gethostname
#include_next <unistd.h>
#ifdef WHARF_WINSOCK
#define gethostname wharf_gethostname
#endif
