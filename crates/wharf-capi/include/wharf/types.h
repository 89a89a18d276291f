/*
 * The data model of 64-bit Windows on Linux.
 *
 * Windows is LLP64: `long` has 32 bits, and a pointer 64. Linux is LP64: `long` has 64 bits too. So no type here
 * is spelled with `long`; DWORD is `unsigned int`, LONG is `int`. Structures have the sizes and offsets of Windows
 * x64 (the test contract.c asserts each one).
 *
 * WCHAR is `wchar_t`, so that L"..." and std::wstring work: 4 bytes by default, 2 under -fshort-wchar. The library
 * has each function that takes WCHARs for both widths, and the headers pick.
 */
#ifndef WHARF_TYPES_H
#define WHARF_TYPES_H
#pragma GCC system_header

#ifndef __linux__
#error "these headers are for Linux; on Windows use those of the SDK or MinGW"
#endif
#ifndef __LP64__
#error "wharf supports 64-bit programs only"
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define WHARF_BEGIN_DECLARATIONS extern "C" {
#define WHARF_END_DECLARATIONS }
#else
#define WHARF_BEGIN_DECLARATIONS
#define WHARF_END_DECLARATIONS
#endif

/* The symbol of a function that takes WCHARs: as named for 16-bit units, with the suffix 32 for 32-bit units. */
#if __SIZEOF_WCHAR_T__ == 4
#define WHARF_WIDE_SYMBOL(name) __asm__(#name "32")
#else
#define WHARF_WIDE_SYMBOL(name)
#endif

/* Calling conventions: there is one. */
#define WINAPI
#define WSAAPI
#define APIENTRY
#define CALLBACK
#define NTAPI
#define PASCAL
#ifndef __stdcall
#define __stdcall
#endif
#ifndef __cdecl
#define __cdecl
#endif
#ifndef __fastcall
#define __fastcall
#endif

/* Words that annotate. The lower-case `near`, `far` and `interface` stay free for programs. */
#define FAR
#define NEAR
#define CONST const
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif
#define _In_
#define _In_opt_
#define _In_reads_(count)
#define _In_reads_bytes_(count)
#define _Inout_
#define _Inout_opt_
#define _Out_
#define _Out_opt_
#define _Out_writes_(count)
#define _Out_writes_bytes_(count)
#define _Ret_maybenull_
#define __analysis_assume(expression) ((void)0)

/* Microsoft's keywords. */
#define __int8 char
#define __int16 short
#define __int32 int
#define __int64 long long
#define __forceinline inline __attribute__((__always_inline__))
#define __declspec(specifier) WHARF_DECLSPEC_##specifier
#define WHARF_DECLSPEC_align(bytes) __attribute__((__aligned__(bytes)))
#define WHARF_DECLSPEC_deprecated __attribute__((__deprecated__))
#define WHARF_DECLSPEC_dllexport __attribute__((__visibility__("default")))
#define WHARF_DECLSPEC_dllimport
#define WHARF_DECLSPEC_noinline __attribute__((__noinline__))
#define WHARF_DECLSPEC_noreturn __attribute__((__noreturn__))
#define WHARF_DECLSPEC_nothrow __attribute__((__nothrow__))
#define WHARF_DECLSPEC_novtable
#define WHARF_DECLSPEC_selectany __attribute__((__weak__))
#define WHARF_DECLSPEC_thread __thread
#define DECLSPEC_ALIGN(bytes) __attribute__((__aligned__(bytes)))
#define DECLSPEC_NORETURN __attribute__((__noreturn__))

#define VOID void
typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID;

typedef char CHAR, *PCHAR, *LPCH, *PCH;
typedef signed char INT8;
typedef unsigned char BYTE, *PBYTE, *LPBYTE, UCHAR, *PUCHAR, UINT8, BOOLEAN, *PBOOLEAN;
typedef short SHORT, *PSHORT, INT16;
typedef unsigned short WORD, *PWORD, *LPWORD, USHORT, *PUSHORT, UINT16, ATOM;
typedef int BOOL, *PBOOL, *LPBOOL, INT, *PINT, *LPINT, INT32, LONG, *PLONG, *LPLONG, LONG32, HRESULT, NTSTATUS;
typedef unsigned int DWORD, *PDWORD, *LPDWORD, UINT, *PUINT, UINT32, ULONG, *PULONG, ULONG32, DWORD32;
typedef long long LONGLONG, *PLONGLONG, LONG64, *PLONG64, INT64;
typedef unsigned long long ULONGLONG, *PULONGLONG, ULONG64, *PULONG64, UINT64, DWORD64, *PDWORD64, DWORDLONG;
typedef float FLOAT;

typedef intptr_t INT_PTR, *PINT_PTR, LONG_PTR, *PLONG_PTR, SSIZE_T, LPARAM, LRESULT;
typedef INT_PTR(WINAPI *FARPROC)();
typedef uintptr_t UINT_PTR, *PUINT_PTR, ULONG_PTR, *PULONG_PTR, DWORD_PTR, *PDWORD_PTR, WPARAM;
typedef size_t SIZE_T, *PSIZE_T;

typedef char *LPSTR, *PSTR;
typedef const char *LPCSTR, *PCSTR;
typedef wchar_t WCHAR, *PWCHAR, *LPWSTR, *PWSTR;
typedef const wchar_t *LPCWSTR, *PCWSTR;
#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR;
typedef LPWSTR LPTSTR, PTSTR;
typedef LPCWSTR LPCTSTR, PCTSTR;
#define __TEXT(quote) L##quote
#else
typedef char TCHAR, *PTCHAR;
typedef LPSTR LPTSTR, PTSTR;
typedef LPCSTR LPCTSTR, PCTSTR;
#define __TEXT(quote) quote
#endif
#define TEXT(quote) __TEXT(quote)

typedef void *HANDLE, **PHANDLE, **LPHANDLE;
typedef HANDLE HWND, HINSTANCE, HMODULE, HMENU, HICON, HCURSOR, HBRUSH;
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

typedef union _LARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef struct _GUID {
    DWORD Data1;
    WORD Data2;
    WORD Data3;
    BYTE Data4[8];
} GUID, *LPGUID;

typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength;
    LPVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

#endif
