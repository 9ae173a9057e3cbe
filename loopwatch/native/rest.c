/* The rest of a thread of ours that wants the GIL now and then, and must not want it while a loop is
   held.

   Theory: C code that keeps the GIL lets other threads in as it ends, and one of those that wait is
   chosen. The watchdog has to be the one: the loop's thread still stands on the line then. So no
   other thread of ours may wait as well. This one looks first whether a step of a loop is old, which
   needs no GIL, and rests on while it is. One that has just begun may still become long: so the wait
   for the GIL is timed, and `core/breath.py` gives it back after a long one. */

#include "gil_turns.h"

#ifndef _WIN32
#include <poll.h>

#define BRIEF 0.002 /* s of a step, up to which the GIL may be asked for */
#define LASTING 1.0 /* s for which turns at the GIL are asked for, unless it rests again by then */
#define LONGEST_REST 10.0 /* s beyond the planned ones: the loop may have been stopped */

/* Sleeps; says whether the descriptor can be read. */
static int
readable_within(int descriptor, double seconds)
{
    struct pollfd bell = {.fd = descriptor, .events = POLLIN};
    return poll(&bell, 1, (int)(seconds * 1e3 + 0.999)) > 0;
}

static int
is_held(LoopState *state, double now)
{
    Position is;
    if (state->closed) {
        return 0;
    }
    read_position(state, now, &is);
    return !is.waits && now - (is.polling ? is.tick : is.mark) > BRIEF;
}

static int
any_held(PyObject *states)
{
    double now = read_system_clock();
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(states); n++) {
        if (is_held((LoopState *)PyTuple_GET_ITEM(states, n), now)) {
            return 1;
        }
    }
    return 0;
}

/* rest(who, descriptor, seconds, loop states): sleep, and on while one of the loops is held. Returns whether
   the descriptor can be read, and how long the GIL was waited for, s. */
PyObject *
rest(PyObject *module, PyObject *args)
{
    (void)module;
    int descriptor, rung, who;
    double seconds, asked;
    PyObject *states;
    if (!PyArg_ParseTuple(args, "iidO!:rest", &who, &descriptor, &seconds, &PyTuple_Type, &states)) {
        return NULL;
    }
    if (who < 0 || who >= ASKERS) {
        return bad_asker(who);
    }
    for (Py_ssize_t n = 0; n < PyTuple_GET_SIZE(states); n++) {
        if (!PyObject_TypeCheck(PyTuple_GET_ITEM(states, n), &LoopStateType)) {
            PyErr_SetString(PyExc_TypeError, "rest needs a tuple of loop states");
            return NULL;
        }
    }
    Py_INCREF(states);
    if (who < FOR_ANSWERS) { /* of those there are several: each ends by itself */
        want_no_turns(who);
    }
    Py_BEGIN_ALLOW_THREADS
    rung = readable_within(descriptor, seconds < 0.0 ? 0.0 : seconds);
    for (double more = 0.0, nap = BRIEF; !rung && more < LONGEST_REST && any_held(states); more += nap) {
        rung = readable_within(descriptor, nap);
    }
    asked = read_system_clock();
    want_turns(who, asked, LASTING);
    Py_END_ALLOW_THREADS
    Py_DECREF(states);
    return Py_BuildValue("Od", rung ? Py_True : Py_False, read_system_clock() - asked);
}
#endif
