/*
 * Interlocked*: atomic operations with a full barrier, as inline functions.
 *
 * Increment, Decrement and Add return the new value; all others return the old one. In C++ the plain forms also
 * accept `long`, which programs declare where Windows says LONG, and the 64-bit forms whatever has 64 bits here.
 */
#ifndef WHARF_INTERLOCKED_H
#define WHARF_INTERLOCKED_H
#pragma GCC system_header

#include <wharf/types.h>

#ifdef __cplusplus
#define WHARF_INLINE inline
#else
#define WHARF_INLINE static inline
#endif

#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* An atomic instruction of x86 is a full barrier; elsewhere a sequentially consistent one is less than that. */
#ifdef __x86_64__
#define YieldProcessor() __builtin_ia32_pause()
#define WHARF_BARRIER() ((void)0)
#else
#define YieldProcessor() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define WHARF_BARRIER() MemoryBarrier()
#endif

#define WHARF_ATOMIC_UPDATE(T, function, builtin)             \
    WHARF_INLINE T function(T volatile *target, T operand) {  \
        WHARF_BARRIER();                                      \
        T result = builtin(target, operand, __ATOMIC_SEQ_CST); \
        WHARF_BARRIER();                                      \
        return result;                                        \
    }

#define WHARF_INTERLOCKED(T, suffix)                                                                         \
    WHARF_ATOMIC_UPDATE(T, InterlockedAdd##suffix, __atomic_add_fetch)                                       \
    WHARF_ATOMIC_UPDATE(T, InterlockedExchangeAdd##suffix, __atomic_fetch_add)                               \
    WHARF_ATOMIC_UPDATE(T, InterlockedExchange##suffix, __atomic_exchange_n)                                 \
    WHARF_ATOMIC_UPDATE(T, InterlockedAnd##suffix, __atomic_fetch_and)                                       \
    WHARF_ATOMIC_UPDATE(T, InterlockedOr##suffix, __atomic_fetch_or)                                         \
    WHARF_ATOMIC_UPDATE(T, InterlockedXor##suffix, __atomic_fetch_xor)                                       \
    WHARF_INLINE T InterlockedIncrement##suffix(T volatile *target) {                                        \
        return InterlockedAdd##suffix(target, 1);                                                            \
    }                                                                                                        \
    WHARF_INLINE T InterlockedDecrement##suffix(T volatile *target) {                                        \
        return InterlockedAdd##suffix(target, (T)-1);                                                        \
    }                                                                                                        \
    WHARF_INLINE T InterlockedCompareExchange##suffix(T volatile *target, T exchange, T comparand) {         \
        WHARF_BARRIER();                                                                                     \
        __atomic_compare_exchange_n(target, &comparand, exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
        WHARF_BARRIER();                                                                                     \
        return comparand;                                                                                    \
    }

#ifdef __cplusplus
extern "C++" {
WHARF_INTERLOCKED(ULONG, )
WHARF_INTERLOCKED(long, )
WHARF_INTERLOCKED(unsigned long, )
WHARF_INTERLOCKED(ULONG64, 64)
WHARF_INTERLOCKED(long, 64)
WHARF_INTERLOCKED(unsigned long, 64)
#endif
WHARF_INTERLOCKED(LONG, )
WHARF_INTERLOCKED(LONG64, 64)

WHARF_INLINE PVOID InterlockedExchangePointer(PVOID volatile *target, PVOID value) {
    WHARF_BARRIER();
    PVOID previous = __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
    WHARF_BARRIER();
    return previous;
}

WHARF_INLINE PVOID InterlockedCompareExchangePointer(PVOID volatile *target, PVOID exchange, PVOID comparand) {
    WHARF_BARRIER();
    __atomic_compare_exchange_n(target, &comparand, exchange, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    WHARF_BARRIER();
    return comparand;
}

#ifdef __cplusplus
}
#endif

#endif
