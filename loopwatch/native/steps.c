/* The end of a step and of a tick, the same for every loop whose steps are timed here.

   A step shorter than `limit` adds to two numbers. A longer step of a request that is not slow is
   filed here as well while its tick is young. It is also noted, in case the tick as a whole becomes
   slow. Python files steps from the threshold on, steps in an old tick, and all steps while the
   loop catches up after a hold (`limit` is 0.0 then). */

#include "recorder.h"

/* Notes that the loop was busy for `took` s until `ended`: requests that arrived meanwhile have
   waited in their sockets. */
void
fall_behind(LoopState *state, double took, double ended)
{
    double least = state->threshold * wired.least;
    if (took < least) {
        return;
    }
    if (ended + took + least > state->behind) {
        state->behind = ended + took + least;
    }
    if (state->idle - state->idle_before > wired.waited) {
        state->busy_since = ended - took;
        state->idle_before = state->idle;
    }
}

/* ---------------------------------------------------------------- what a handle runs */

/* Returns the code of a coroutine, or its type if it has none; a new reference. */
static PyObject *
code_of_coroutine(PyObject *coroutine)
{
    PyObject *names[] = {str_cr_code, str_gi_code};
    for (int n = 0; n < 2; n++) {
        PyObject *code = PyObject_GetAttr(coroutine, names[n]);
        if (code != NULL && code != Py_None) {
            return code;
        }
        Py_XDECREF(code);
        PyErr_Clear();
    }
    return Py_NewRef(Py_TYPE(coroutine));
}

/* Returns the task whose step a callback runs, a new reference; NULL for other callbacks. */
static PyObject *
stepped_task(PyObject *callback)
{
    PyObject *task = NULL;
    if (PyCFunction_Check(callback)) {
        task = Py_XNewRef(PyCFunction_GET_SELF(callback));
    }
    else if (!PyFunction_Check(callback)) { /* asyncio's TaskStepMethWrapper */
        task = PyObject_GetAttr(callback, str___self__);
        PyErr_Clear();
    }
    if (task != NULL && !PyObject_TypeCheck(task, wired.task_type)) {
        Py_CLEAR(task);
    }
    return task;
}

/* Returns what all callbacks of one kind share, a new reference: a code object, else a type. As
   `handle_code` in loop/busy_ticks.py. */
static PyObject *
code_of_callback(PyObject *callback)
{
    PyObject *task = stepped_task(callback);
    if (task != NULL) {
        PyObject *coroutine = PyObject_GetAttr(task, str__coro);
        PyObject *code = coroutine != NULL ? code_of_coroutine(coroutine) : NULL;
        Py_XDECREF(coroutine);
        Py_DECREF(task);
        return code;
    }
    PyObject *names[] = {str_func, str___func__}, *inner = Py_NewRef(callback);
    for (int n = 0; n < 2 && !PyFunction_Check(inner); n++) {
        PyObject *found = PyObject_GetAttr(inner, names[n]);
        if (found == NULL) {
            PyErr_Clear();
            continue;
        }
        Py_SETREF(inner, found);
    }
    PyObject *code = PyObject_GetAttr(inner, str___code__);
    if (code == NULL) {
        PyErr_Clear();
        code = Py_NewRef(Py_TYPE(inner));
    }
    Py_DECREF(inner);
    return code;
}

/* Remembers a long step of a young tick; without room it is left out. */
static void
note_step(LoopState *state, PyObject *handle, Request *request, double took)
{
    if (state->noted >= NOTES) {
        return;
    }
    PyObject *callback = of_handle(handle, at_callback, str__callback);
    PyObject *code = callback != NULL ? code_of_callback(callback) : NULL;
    Py_XDECREF(callback);
    if (code == NULL) {
        PyErr_Clear();
        return;
    }
    PyObject *scope = request->scope, *endpoint = NULL;
    if (scope != NULL && PyDict_CheckExact(scope)) {
        endpoint = Py_XNewRef(PyDict_GetItemWithError(scope, str_endpoint));
        PyErr_Clear();
    }
    else if (scope == Py_None && request->row != NULL) { /* it has ended in this step */
        endpoint = PyObject_GetAttr(request->row, str_endpoint);
        PyErr_Clear();
    }
    if (state->noted >= NOTES) { /* checked again: code of the app may have run since */
        Py_DECREF(code);
        Py_XDECREF(endpoint);
        return;
    }
    Note *note = &state->notes[state->noted++];
    note->code = code;
    note->endpoint = endpoint;
    note->request = Py_NewRef((PyObject *)request);
    note->took = took;
}

/* ---------------------------------------------------------------- a step */

/* Counts a short step of a task for its coroutine, if Python has found the row of that before; says
   whether it did. */
static int
add_to_known_row(LoopState *state, PyObject *callback, double took)
{
    PyObject *task = is_there(state->known_rows) ? stepped_task(callback) : NULL;
    PyObject *coroutine = task != NULL ? PyObject_GetAttr(task, str__coro) : NULL;
    PyObject *code = coroutine != NULL ? code_of_coroutine(coroutine) : NULL;
    PyObject *key = code != NULL ? PyLong_FromVoidPtr(code) : NULL;
    PyObject *known = key != NULL ? PyDict_GetItemWithError(state->known_rows, key) : NULL;
    int found = known != NULL && PyTuple_CheckExact(known) && PyTuple_GET_SIZE(known) == 2 &&
                PyTuple_GET_ITEM(known, 0) == code &&
                PyObject_TypeCheck(PyTuple_GET_ITEM(known, 1), &StepRowType);
    if (found) {
        StepRow *row = (StepRow *)PyTuple_GET_ITEM(known, 1);
        row->steps += 1;
        row->seconds += took;
    }
    Py_XDECREF(key);
    Py_XDECREF(code);
    Py_XDECREF(coroutine);
    Py_XDECREF(task);
    PyErr_Clear();
    return found;
}

/* Counts a short step that no request owns. */
static int
add_other(LoopState *state, PyObject *handle, double took)
{
    PyObject *callback = of_handle(handle, at_callback, str__callback);
    if (callback == NULL) {
        return -1;
    }
    int plain = PyMethod_Check(callback) || PyFunction_Check(callback); /* a transport's, most likely */
    if (!plain && PyCFunction_CheckExact(callback)) {
        PyObject *bound = PyCFunction_GET_SELF(callback);
        plain = bound == NULL || Py_TYPE(bound) != wired.task_type; /* such as a set's `discard` */
    }
    int counted = !plain && add_to_known_row(state, callback, took);
    Py_DECREF(callback);
    if (counted) {
        return 0;
    }
    if (!plain) {
        return slow_way(wired.end_other_step, (PyObject *)state, handle, NULL, took);
    }
    state->other_steps += 1;
    state->other_seconds += took;
    return 0;
}

/* Files a request's long step that is not slow, in a young tick. */
static int
file_long_step(LoopState *state, PyObject *handle, Request *request, double took, double now)
{
    if (add_long_step(request, took) < 0) {
        return -1;
    }
    request->stepped = now;
    note_step(state, handle, request, took);
    fall_behind(state, now - state->tick, now);
    if (request->long_steps < MANY) {
        return 0;
    }
    PyObject *done = PyObject_CallFunctionObjArgs(wired.many_steps, state, request, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Ends a step that began at `began`; `request` is its owner, or NULL. -1 with an exception. */
int
end_step(LoopState *state, PyObject *handle, PyObject *request, double began, double now)
{
    double took = now - began, limit = state->limit;
    PyObject *owner = request != NULL ? request : Py_None;
    state->mark = now;
    if (state->asked != 0) {
        take_ended(state, handle, request, began);
    }
    if (state->entered != NULL) {
        if (state->entered != Py_None && state->entered != request) {
            return slow_way(wired.share_step, (PyObject *)state, handle, owner, took);
        }
        Py_CLEAR(state->entered);
    }
    if (state->recorder != NULL) {
        record_step(state->recorder, state, handle, request, began, now);
    }
    if (took >= limit) {
        int plain = limit != 0.0 && request != NULL && took < state->threshold;
        return plain && now - state->tick < wired.old
                   ? file_long_step(state, handle, (Request *)request, took, now)
                   : slow_way(wired.end_long_step, (PyObject *)state, handle, owner, took);
    }
    if (now - state->tick >= wired.old) {
        state->limit = 0.0; /* the tick's further steps are noted */
    }
    if (request != NULL) {
        add_step((Request *)request, took, now);
        return 0;
    }
    return add_other(state, handle, took);
}

/* ---------------------------------------------------------------- a tick */

/* Files a tick that was busy for `took` s. */
void
count_tick(LoopState *state, double took)
{
    Py_ssize_t bucket = bucket_of(took);
    state->ticks.counts[bucket] += 1;
    state->ticks.sums[bucket] += took;
    state->squares[bucket] += took * took;
}

/* Says whether Python ends a tick. Needs no GIL. */
int
ends_slowly(const LoopState *state, double took)
{
    return took >= state->limit && (state->limit == 0.0 || took >= state->threshold);
}

/* Ends a tick, before the poll that follows it; -1 with an exception. */
int
end_tick(LoopState *state, double ended)
{
    double took = ended - state->tick;
    int failed = 0;
    state->turns += 1;
    if (took >= state->limit) {
        count_tick(state, took);
        fall_behind(state, took, ended);
        if (is_there(state->long_tick) && ends_slowly(state, took)) {
            PyObject *seconds = PyFloat_FromDouble(took);
            PyObject *done = seconds ? PyObject_CallOneArg(state->long_tick, seconds) : NULL;
            failed = done == NULL ? -1 : 0;
            Py_XDECREF(seconds);
            Py_XDECREF(done);
        }
    }
    if (state->noted) {
        forget_notes(state);
    }
    state->tick = ended;
    return failed;
}
