/* Text that is WCHAR under _UNICODE, and char otherwise. */
#ifndef _INC_TCHAR
#define _INC_TCHAR
#pragma GCC system_header

#ifdef _UNICODE
#include <wchar.h>
typedef wchar_t _TCHAR;
#define __T(quote) L##quote
#define _tcslen wcslen
#define _tprintf wprintf
#else
typedef char _TCHAR;
#define __T(quote) quote
#define _tcslen strlen
#define _tprintf printf
#endif
#define _T(quote) __T(quote)
#define _TEXT(quote) __T(quote)
/* A program starts with narrow arguments on Linux, whatever the setting. */
#define _tmain main

#endif
