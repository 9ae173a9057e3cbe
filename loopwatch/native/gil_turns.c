/* Turns at the GIL for threads of ours, beside a loop that never waits.

   Rule: while a thread of ours has something to do, a loop's thread lets the GIL go for `TURN` at the
   end of a step, once in `INTERVAL`. A loop that waits in its polls lets others in by that, and does
   not sleep.

   Theory: a thread that wants the GIL waits for a condition, and asks the thread that has the GIL to
   drop it once the condition was not signalled for 5 ms (`take_gil` in CPython's ceval_gil.c). A loop
   with something ready all the time polls with timeout 0. That lets the GIL go, signals the
   condition, and takes the GIL back microseconds later, before the thread that was signalled runs.
   So while the ticks of a full loop are shorter than 5 ms, another thread may never get the GIL.
   Measured: with steps of 0.07 to 4 ms, the watchdog did not look once in 4 s, on both loops.

   A thread of ours asks for turns before it asks for the GIL, and says when it has nothing more to
   do. In case it does not, what it asked for ends after some seconds.

   Tried and dropped: a shorter switch interval (it is the app's, and changes all its threads);
   letting the GIL go at every tick (a system call and a switch for each). */

#include "gil_turns.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#define INTERVAL 0.005 /* s, as CPython's */
#define TURN 50000     /* ns; the kernel makes it about 0.1 ms. A waiting thread needs 0.03 */
#define WAITED 0.0001  /* s in polls since the last look: then others have had the GIL */
#define NOT_DUE 1e300

double turn_due = NOT_DUE;

static double wanted_from[ASKERS], wanted_until[ASKERS]; /* clock, s */

void
want_turns(int who, double began, double seconds)
{
    double until = began + seconds, due = began + INTERVAL;
    if (clock_step != 0.0) {
        return; /* where instructions are counted, nobody sleeps */
    }
    __atomic_store(&wanted_from[who], &began, __ATOMIC_RELEASE);
    __atomic_store(&wanted_until[who], &until, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* we see that a turn is given, or that sees our wish */
    if (due < turn_due) {
        __atomic_store(&turn_due, &due, __ATOMIC_RELEASE);
    }
}

void
want_no_turns(int who)
{
    double never = 0.0;
    __atomic_store(&wanted_until[who], &never, __ATOMIC_RELEASE);
}

/* Returns from when on a turn is wanted: `now`, or later; NOT_DUE if nobody wants one. */
static double
first_wanted(double now)
{
    double first = NOT_DUE;
    for (int who = 0; who < ASKERS; who++) {
        double from, until;
        __atomic_load(&wanted_from[who], &from, __ATOMIC_ACQUIRE);
        __atomic_load(&wanted_until[who], &until, __ATOMIC_ACQUIRE);
        from = from > now ? from : now;
        if (until > now && from < first) {
            first = from;
        }
    }
    return first;
}

static void
let_others_run(void)
{
    Py_BEGIN_ALLOW_THREADS
#ifdef _WIN32
    Sleep(1);
#else
    struct timespec turn = {0, TURN};
    nanosleep(&turn, NULL);
#endif
    Py_END_ALLOW_THREADS
}

/* Gives a turn, if it is still wanted, and if the loop has not waited for as long in its polls. The
   time of a short one belongs to no step; if another thread had the GIL for long, the loop was held. */
void
give_turn(LoopState *state, double now)
{
    double waited = state->idle - state->idle_at_turn;
    state->idle_at_turn = state->idle;
    turn_due = NOT_DUE; /* first: whoever wants one from here on sets it again */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    double first = first_wanted(now);
    if (first <= now && waited < WAITED) {
        let_others_run();
        double back = read_clock();
        state->mark = back - now < INTERVAL ? back : state->mark;
        now = back;
        first = first_wanted(now);
    }
    if (first + INTERVAL < turn_due) {
        turn_due = first + INTERVAL;
    }
}

/* In a forked child: those who wanted turns are not here. */
void
forget_turns(void)
{
    memset(wanted_until, 0, sizeof(wanted_until));
}

PyObject *
bad_asker(int who)
{
    return PyErr_Format(PyExc_ValueError, "who asks for turns is 0 to %d, got %d", ASKERS - 1, who);
}

/* want_turns(who, seconds, after) */
static PyObject *
ask_for_turns(PyObject *module, PyObject *args)
{
    (void)module;
    int who;
    double seconds, after;
    if (!PyArg_ParseTuple(args, "idd:want_turns", &who, &seconds, &after)) {
        return NULL;
    }
    if (who < 0 || who >= ASKERS) {
        return bad_asker(who);
    }
    want_turns(who, read_clock() + after, seconds);
    Py_RETURN_NONE;
}

/* want_no_turns(who) */
static PyObject *
ask_for_none(PyObject *module, PyObject *args)
{
    (void)module;
    int who;
    if (!PyArg_ParseTuple(args, "i:want_no_turns", &who)) {
        return NULL;
    }
    if (who < 0 || who >= ASKERS) {
        return bad_asker(who);
    }
    want_no_turns(who);
    Py_RETURN_NONE;
}

PyMethodDef turn_functions[] = {
    {"want_turns", ask_for_turns, METH_VARARGS, "Ask for turns at the GIL, for so many s, from so many s on."},
    {"want_no_turns", ask_for_none, METH_VARARGS, "Ask for no more of them."},
    {NULL, NULL, 0, NULL},
};
