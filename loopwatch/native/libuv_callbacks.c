/* What libuv calls before and after its poll, on the loop's thread and without the GIL. */

#include "libuv_poll.h"
#include "recorder.h"

static void
leave(LibuvPoll *poll)
{
    __atomic_store_n(&poll->busy, 0, __ATOMIC_RELEASE);
}

/* Returns the loop state, which stays until `leave`; NULL if there is none. */
static LoopState *
enter(LibuvPoll *poll)
{
    __atomic_store_n(&poll->busy, 1, __ATOMIC_SEQ_CST);
    LoopState *state = __atomic_load_n(&poll->state, __ATOMIC_SEQ_CST);
    if (state == NULL) {
        leave(poll);
    }
    return state;
}

static void
write_begins(LoopState *state)
{
    __atomic_store_n(&state->version, state->version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void
write_ends(LoopState *state)
{
    __atomic_store_n(&state->version, state->version + 1, __ATOMIC_RELEASE);
}

static int
raise_again(void *exception)
{
    PyErr_SetObject((PyObject *)Py_TYPE((PyObject *)exception), (PyObject *)exception);
    Py_DECREF((PyObject *)exception);
    return -1;
}

/* Has the main thread raise the exception that is set in the next code that it runs: a Ctrl-C must
   not be lost, and libuv, which called us, cannot pass it on. */
static void
raise_later(PyObject *where)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (value == NULL || Py_AddPendingCall(raise_again, value) < 0) {
        PyErr_Restore(type, value, trace);
        PyErr_WriteUnraisable(where);
        return;
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
}

/* Leaves, calls a function of the loop state with the GIL, and enters again. Its exception is
   reported and dropped. To get the GIL may take long, and that is the loop's time as any other: the
   function reads the clock. */
static LoopState *
with_gil(LibuvPoll *poll, int (*function)(LoopState *, double), double at)
{
    leave(poll);
    PyGILState_STATE gil = PyGILState_Ensure();
    LoopState *state = poll->state;
    if (state != NULL) {
        Py_INCREF(state);
        if (function(state, at) < 0 && drop_error((PyObject *)state) < 0) {
            raise_later((PyObject *)state);
        }
        Py_DECREF(state);
    }
    PyGILState_Release(gil);
    return enter(poll);
}

/* Has Python file a gap: it was long, or a request began in it. */
static int
end_gap(LoopState *state, double took)
{
    PyObject *entered = is_there(state->entered) ? state->entered : NULL;
    if (entered != NULL) {
        return slow_way(wired.share_step, (PyObject *)state, Py_None, Py_None, took);
    }
    PyObject *seconds = PyFloat_FromDouble(took);
    PyObject *done = seconds == NULL ? NULL
                                     : PyObject_CallFunctionObjArgs(wired.end_gap, state, seconds, NULL);
    Py_XDECREF(seconds);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Files what the poll phase has run since `back`, as the poll returned. */
static int
end_callbacks(LoopState *state, double back)
{
    state->mark = read_clock();
    return end_gap(state, state->mark - back);
}

/* Files what ran after the last step, and ends the tick. */
static int
end_gap_then_tick(LoopState *state, double mark)
{
    double ended = read_clock(), gap = ended - mark;
    int failed = 0;
    state->mark = ended;
    if (gap >= wired.first || is_there(state->entered)) {
        failed = end_gap(state, gap);
    }
    return end_tick(state, ended) < 0 || failed < 0 ? -1 : 0;
}

void
on_prepare(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    LoopState *state = enter(poll);
    if (state == NULL) {
        return;
    }
    double now = read_clock();
    if (now - state->mark >= wired.first || state->noted || is_there(state->entered) ||
        ends_slowly(state, now - state->tick)) {
        state = with_gil(poll, end_gap_then_tick, state->mark);
        if (state == NULL) {
            return;
        }
        now = read_clock();
    }
    else {
        end_tick(state, now); /* needs no GIL here */
    }
    write_begins(state);
    state->mark = state->tick = now;
    idle_since(poll, &poll->idle_before);
    poll->seen = 0.0;
    state->polling = 1;
    write_ends(state);
    leave(poll);
}

void
on_check(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    LoopState *state = enter(poll);
    if (state == NULL) {
        return;
    }
    if (!state->polling) {
        leave(poll);
        return;
    }
    uint64_t unused;
    double now = read_clock(), idle = idle_since(poll, &unused);
    double back = clock_step != 0.0 ? now : came_back(poll, state, idle, now); /* libuv's is not even */
    if (state->recorder != NULL) {
        record_poll(state->recorder, state, state->tick, back, 0);
    }
    write_begins(state);
    state->idle += back - state->tick;
    state->tick = back;
    state->mark = now;
    state->polling = 0;
    write_ends(state);
    if (state->asleep) {
        wake_watcher();
    }
    if (now - back >= wired.first || is_there(state->entered)) {
        state = with_gil(poll, end_callbacks, back);
    }
    if (state != NULL) {
        leave(poll);
    }
}
