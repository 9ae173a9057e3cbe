/* The end of a request: its numbers go into its row. */

#include "recorder.h"

/* Divides a request's time into its own steps, stalled, and waiting for a thread. */
static void
settle_parts(Request *request, double running, double now)
{
    double end = request->responded != 0.0 ? request->responded : now;
    double age = end - request->started, whole = request->taken + running;
    double own = request->responded != 0.0 && request->settled < whole ? request->settled : whole;
    own = own < age ? own : age;
    request->settled = own;
    double rest = age - own > 0.0 ? age - own : 0.0;
    request->stalled = request->stalled < rest ? request->stalled : rest;
    rest -= request->stalled;
    request->pooled = request->pooled < rest ? request->pooled : rest;
}

/* Adds a request that ends, and its last step if `step` is not 0.0, to its row. */
int
add_to_row(RequestRow *row, Request *request, double now, double step)
{
    StepRow *steps = (StepRow *)row->steps;
    if (steps == NULL || !is_a((PyObject *)steps, &StepRowType)) {
        PyErr_SetString(PyExc_TypeError, "steps must be a StepRow");
        return -1;
    }
    if (step >= wired.first) {
        if (add_long_step(request, step) < 0) {
            return -1;
        }
    }
    else if (step != 0.0) {
        add_step(request, step, now);
    }
    put(&request->row, (PyObject *)row);
    request->ended = now;
    steps->steps += request->steps;
    steps->seconds += request->seconds;
    double running = request->seconds + long_seconds(request);
    take_long_steps(steps, request);
    Py_CLEAR(request->routed);
    put(&request->scope, Py_None); /* may run code of the app: `steps` is not used after it */
    settle_parts(request, running, now);
    double end = request->responded != 0.0 ? request->responded : now;
    double latency = end - request->started + request->queued;
    add_to_buckets(&row->latency, latency);
    row->running += running;
    row->background += request->taken + running - request->settled - request->charged_background;
    row->time += latency - request->charged;
    row->queued += request->charged != 0.0 ? 0.0 : request->queued;
    row->stalled += request->stalled - request->charged_stalled;
    row->pooled += request->pooled;
    double parts[PARTS] = {request->started - request->queued, latency, request->queued,
                           request->settled, request->stalled};
    add_to_recent(row, parts);
    if (row->recorder != NULL && Py_IS_TYPE(row->recorder, &RecorderType)) {
        record_request((Recorder *)row->recorder, row, request);
    }
    if (is_there(request->waits) || is_there(request->span)) {
        PyObject *done = PyObject_CallMethodOneArg((PyObject *)row, str_note, (PyObject *)request);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    return 0;
}

static int
as_row(PyObject *object, void *result)
{
    if (!PyObject_TypeCheck(object, &RequestRowType)) {
        PyErr_Format(PyExc_TypeError, "must be a RequestRow, got %R", object);
        return 0;
    }
    *(RequestRow **)result = (RequestRow *)object;
    return 1;
}

/* add_request(row, request, now, step) */
PyObject *
add_request(PyObject *module, PyObject *args)
{
    (void)module;
    RequestRow *row;
    PyObject *request;
    double now, step;
    if (!PyArg_ParseTuple(args, "O&O!dd:add_request", as_row, &row, &RequestType, &request, &now,
                          &step)) {
        return NULL;
    }
    return add_to_row(row, (Request *)request, now, step) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Returns the row of a request's endpoint, borrowed; NULL without an exception if not known. */
static RequestRow *
known_row(PyObject *rows, Request *request)
{
    PyObject *scope = request->scope;
    if (scope == NULL || !PyDict_CheckExact(scope) || is_there(request->routed)) {
        return NULL; /* of a mounted app, the endpoint is not all */
    }
    if (PyDict_GetItemWithError(scope, str_path_template) != NULL) {
        return NULL;
    }
    PyObject *method = PyDict_GetItemWithError(scope, str_method), *found = NULL;
    PyObject *endpoint = PyDict_GetItemWithError(scope, str_endpoint);
    if (endpoint != NULL && method != NULL) {
        Py_INCREF(endpoint); /* its hash may run code of the app */
        Py_INCREF(method);
        found = PyDict_GetItemWithError(rows, endpoint);
        if (found != NULL && (!is_a(found, &RequestRowType) ||
                              ((RequestRow *)found)->door != request->door ||
                              !same_text(((RequestRow *)found)->method, method))) {
            found = NULL;
        }
        Py_DECREF(endpoint);
        Py_DECREF(method);
    }
    if (found == NULL) {
        PyErr_Clear(); /* an endpoint that cannot be hashed */
    }
    return (RequestRow *)found;
}

/* add_to_known(rows, request, now, step) -> whether `rows` had the row of its endpoint */
PyObject *
add_to_known(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    double now, step;
    if (count != 4 || !PyDict_CheckExact(args[0]) || !PyObject_TypeCheck(args[1], &RequestType)) {
        PyErr_SetString(PyExc_TypeError, "add_to_known takes rows, a request, and two floats");
        return NULL;
    }
    if (to_float(args[2], &now) < 0 || to_float(args[3], &step) < 0) {
        return NULL;
    }
    RequestRow *row = known_row(args[0], (Request *)args[1]);
    if (row == NULL) {
        Py_RETURN_FALSE;
    }
    Py_INCREF(row);
    int failed = add_to_row(row, (Request *)args[1], now, step);
    Py_DECREF(row);
    return failed < 0 ? NULL : Py_NewRef(Py_True);
}

/* Counts a request that ends within a step; 0, with nothing done, if Python has to do it; -1 with
   an exception that has to reach the app. */
int
finish_request(LoopState *state, PyObject *rows, Request *request)
{
    RequestRow *row = state->limit == 0.0 ? NULL : known_row(rows, request);
    if (row == NULL) {
        return 0;
    }
    Py_INCREF(row);
    double now = read_clock();
    double began = state->mark > request->started ? state->mark : request->started;
    int failed = add_to_row(row, request, now, now - began) < 0 && drop_error((PyObject *)row) < 0;
    Py_DECREF(row);
    return failed ? -1 : 1;
}
