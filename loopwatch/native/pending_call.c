/* Pending calls of the interpreter that are made soon, whatever the loop's thread runs.

   `Py_AddPendingCall` by itself comes too late. Before 3.13, a call that another thread has posted
   is not noticed until the main thread has let the GIL go (python/cpython issue 95820): pure Python
   code would have no sample at all (measured: 1 % instead of 40 %). And it reaches the main thread
   only.

   3.12 and newer have a queue that any thread with the GIL works off, and who posts there is noticed
   at once. It is not public, so it is a weak symbol. On 3.11, we set the flag by which the
   interpreter looks for pending calls, as the release of a signal does; for that its own header is
   needed. Nothing else of either is used. */

#include <patchlevel.h>
#if PY_VERSION_HEX < 0x030C0000
#define Py_BUILD_CORE_MODULE
#include <Python.h>
#include <internal/pycore_interp.h>
#undef Py_BUILD_CORE_MODULE
#endif

#include "native.h"

#ifndef _WIN32

#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030F0000
#define ANY_THREAD
extern int _PyEval_AddPendingCall(PyInterpreterState *interpreter, int (*call)(void *), void *given,
                                  int flags) __attribute__((weak, visibility("default")));
#endif

/* Posts a call, without the GIL, for the main thread (`main`) or any. 0: it was not posted, or would
   not be made soon. */
int
post_call(int (*call)(void *), int main)
{
#ifdef ANY_THREAD
    if (_PyEval_AddPendingCall != NULL) {
        return _PyEval_AddPendingCall(PyInterpreterState_Main(), call, NULL, 0) == 0;
    }
#endif
    if (!main || (PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000) ||
        Py_AddPendingCall(call, NULL) < 0) {
        return 0;
    }
#if PY_VERSION_HEX < 0x030C0000
    __atomic_store_n(&PyInterpreterState_Main()->ceval.eval_breaker._value, 1, __ATOMIC_RELAXED);
#endif
    return 1;
}
#endif
