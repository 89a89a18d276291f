/* libc's <net/if.h>, with the names that Winsock also has moved out of the way: see wharf/hide_libc.h. */
#pragma GCC system_header
#if defined(WHARF_LIBC_SOCKETS) || defined(WHARF_LIBC_HIDDEN)
#include_next <net/if.h>
#else
#include <wharf/hide_libc.h>
#include_next <net/if.h>
#include <wharf/restore_names.h>
#endif
