/* Samples of where a loop's time goes: the stack of its thread at random moments while it is busy.

   Rule: the moment is chosen by a thread that needs no GIL (moments.c), and the sample stands for
   that moment. So neither Python code nor C code is favoured, nor whatever releases the GIL.

   Mechanism: at the moment, `asked` of the loop state grows, and a pending call of the interpreter
   is posted. The interpreter makes it within microseconds if Python code runs: on entering a
   function, as a loop goes round, after a call of C code. A C call delays it until the call is over,
   and the sample then stands on the call's own line: which is where the moment was. Several moments
   may pass meanwhile, and all count for that line. A step may end before any of these places: then
   its end takes the sample (`take_ended`), with the line at which its coroutine is suspended. What
   lies between two steps of a loop that runs no Python code there (uvloop) is seen by the clock: the
   moment lies before the step in progress began.

   Where a pending call is not noticed soon enough (pending_call.c), the watchdog takes the sample as
   it gets the GIL. It does the same for moments that pass while it waits for the GIL anyway: it
   would be asleep otherwise (`take_missed`).

   The figures, and what else was tried, are in ARCHITECTURE.md, "Where the loop's time goes". */

#include "watcher.h"

/* Where a sample was taken: between steps, or in the loop's own callbacks; in a step; at its end. */
typedef enum { OUTSIDE = 0, IN_STEP = 1, STEP_ENDED = 2 } Where;

static PyObject *
new_sample(Py_ssize_t count, double at, PyObject *request, Where where, PyObject *spots)
{
    return spots == NULL ? NULL
                         : Py_BuildValue("(ndOiO)", count, at, request != NULL ? request : Py_None,
                                         (int)where, spots);
}

/* Keeps a sample until Python takes it; without room, or memory, its moments are counted as lost. */
static void
keep_sample(LoopState *state, Py_ssize_t count, double at, PyObject *request, Where where,
            PyObject *spots)
{
    if (state->samples == NULL) {
        state->samples = PyList_New(0);
    }
    int room = state->samples != NULL && PyList_GET_SIZE(state->samples) < MOMENTS;
    PyObject *sample = room ? new_sample(count, at, request, where, spots) : NULL;
    if (sample == NULL || PyList_Append(state->samples, sample) < 0) {
        PyErr_Clear();
        state->lost_samples += count;
    }
    Py_XDECREF(sample);
}

/* Returns the request in a thread's running context, a new reference; NULL if there is none. */
static PyObject *
request_of(PyThreadState *thread)
{
    PyObject *context = thread->context, *request = NULL;
    if (context != NULL && PySequence_Contains(context, wired.variable) > 0) {
        request = PyObject_GetItem(context, wired.variable);
    }
    PyErr_Clear();
    if (request != NULL && !is_request(request)) {
        Py_CLEAR(request);
    }
    return request;
}

/* Returns how many moments were asked for, which are not any more. */
static Py_ssize_t
take_asked(LoopState *state)
{
    Py_ssize_t count = __atomic_load_n(&state->asked, __ATOMIC_ACQUIRE);
    __atomic_sub_fetch(&state->asked, count, __ATOMIC_ACQ_REL);
    return count;
}

/* Takes a sample of a loop's thread, for all moments that were asked for. */
static void
take_sample(LoopState *state)
{
    double began = read_system_clock(), at = state->asked_at;
    Py_ssize_t count = take_asked(state);
    PyThreadState *thread = count > 0 && !state->closed ? thread_of(state->thread_id) : NULL;
    if (thread == NULL) {
        return;
    }
    int runs = state->running != NULL, gap = runs && at < state->mark;
    PyObject *request = gap ? NULL : request_of(thread);
    PyObject *spots = gap ? PyList_New(0) : spots_of(thread, DEPTH);
    keep_sample(state, count, at, request, runs && !gap ? IN_STEP : OUTSIDE, spots);
    Py_XDECREF(request);
    Py_XDECREF(spots);
    state->sampling += read_system_clock() - began;
}

/* A step ends for which a sample was asked, and none was taken: it stands where the step's coroutine
   is suspended now. An exception that is set stays set. */
void
take_ended(LoopState *state, PyObject *handle, PyObject *request, double began)
{
    double now = read_system_clock(), at = state->asked_at;
    Py_ssize_t count = take_asked(state);
    int gap = at < began;
    PyObject *type, *value, *trace;
    if (count <= 0) {
        return;
    }
    PyErr_Fetch(&type, &value, &trace);
    PyObject *spots = gap || wired.suspended == NULL ? PyList_New(0)
                                                     : PyObject_CallOneArg(wired.suspended, handle);
    keep_sample(state, count, at, gap ? NULL : request, gap ? OUTSIDE : STEP_ENDED, spots);
    Py_XDECREF(spots);
    PyErr_Restore(type, value, trace);
    state->sampling += read_system_clock() - now;
}

/* take_samples() -> (moments, when the first of them was, request or None, `Where`,
   [(code, instruction, line, module), ...] innermost first) of each sample since the last call */
PyObject *
state_take_samples(LoopState *self, PyObject *unused)
{
    (void)unused;
    PyObject *taken = self->samples;
    self->samples = NULL;
    return taken != NULL ? taken : PyList_New(0);
}

#ifndef _WIN32

static int called; /* our call is pending */

/* The pending call: takes the samples that were asked for. */
static int
on_moment(void *unused)
{
    (void)unused;
    int collects = PyGC_Disable(); /* on 3.11 a collection may let other threads run in between */
    __atomic_store_n(&called, 0, __ATOMIC_RELEASE);
    for (Watcher *each = first_watcher(); each != NULL; each = each->next) {
        for (Py_ssize_t n = 0; n < each->count; n++) {
            if (each->loops[n].state->asked > 0) {
                take_sample(each->loops[n].state);
            }
        }
    }
    if (collects) {
        PyGC_Enable();
    }
    return 0;
}

#if PY_VERSION_HEX >= 0x030D0000
#define is_ending Py_IsFinalizing
#else
#define is_ending _Py_IsFinalizing
#endif

/* Notes a moment of a loop that is busy. Needs no GIL. */
void
note_moment(LoopState *state, double at)
{
    if (state->asked == 0) {
        state->asked_at = at;
    }
    __atomic_add_fetch(&state->asked, 1, __ATOMIC_ACQ_REL);
}

/* Asks for a sample of a loop at this moment, without the GIL. Returns whether we must take it
   ourselves: nobody else would. */
int
ask_for_sample(LoopState *state, double now)
{
    note_moment(state, now);
    if (is_ending() || __atomic_exchange_n(&called, 1, __ATOMIC_ACQ_REL)) {
        return 0;
    }
    if (post_call(on_moment, state->main)) {
        return 0;
    }
    __atomic_store_n(&called, 0, __ATOMIC_RELEASE);
    return 1;
}

/* Takes the samples that were noted, on a thread that has the GIL. */
void
take_noted(Watcher *self)
{
    for (Py_ssize_t n = 0; n < self->count; n++) {
        if (self->loops[n].state->asked > 0) {
            take_sample(self->loops[n].state);
        }
    }
}

/* In a forked child, nothing of the parent's is pending. */
void
forget_call(void)
{
    called = 0;
}
#endif
