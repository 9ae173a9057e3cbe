/* The module: the wiring that Python does once, and the names that the module has. */

#include "recorder.h"

Wired wired;

#define DEFINE(name) PyObject *str_##name;
STRINGS(DEFINE)
#undef DEFINE
PyObject *str_http, *str_websocket, *str_body, *str_start;
PyObject *str_path, *str_zero_copy, *str_trailers_message;

extern PyMethodDef clock_functions[], turn_functions[];
int clock_agrees(void);

/* ---------------------------------------------------------------- the wiring */

/* wire_request(variable, slow) */
static PyObject *
wire_request(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *variable;
    double slow;
    if (!PyArg_ParseTuple(args, "O!d:wire_request", &PyContextVar_Type, &variable, &slow)) {
        return NULL;
    }
    put(&wired.variable, variable);
    wired.slow = slow;
    Py_RETURN_NONE;
}

/* wire_steps(busy_tick, old, least, waited, Task, Handle, run, report, ways): `ways` are the
   functions (end_long_step, end_other_step, share_step, end_gap, many_steps, suspended) */
static PyObject *
wire_steps(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *task, *handle, *run, *report, *ways[6];
    Py_ssize_t busy_tick;
    double old, least, waited;
    if (!PyArg_ParseTuple(args, "ndddO!O!OO(OOOOOO):wire_steps", &busy_tick, &old, &least, &waited,
                          &PyType_Type, &task, &PyType_Type, &handle, &run, &report, &ways[0],
                          &ways[1], &ways[2], &ways[3], &ways[4], &ways[5])) {
        return NULL;
    }
    PyObject **slots[] = {&wired.end_long_step, &wired.end_other_step, &wired.share_step,
                          &wired.end_gap, &wired.many_steps, &wired.suspended};
    for (int n = 0; n < 6; n++) {
        put(slots[n], ways[n]);
    }
    wired.busy_tick = busy_tick;
    wired.old = old;
    wired.least = least;
    wired.waited = waited;
    put((PyObject **)&wired.task_type, task);
    put((PyObject **)&wired.handle_type, handle);
    put(&wired.plain_run, run);
    put(&wired.report, report);
    find_slots();
    Py_RETURN_NONE;
}

/* wire_ledger(edges) */
static PyObject *
wire_ledger(PyObject *module, PyObject *edges)
{
    (void)module;
    if (!PyTuple_Check(edges) || PyTuple_GET_SIZE(edges) > EDGES || PyTuple_GET_SIZE(edges) < 1) {
        PyErr_Format(PyExc_TypeError, "edges must be a tuple of 1 to %d, got %R", EDGES, edges);
        return NULL;
    }
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(edges); at++) {
        if (to_float(PyTuple_GET_ITEM(edges, at), &wired.edges[at]) < 0) {
            return NULL;
        }
    }
    wired.edge_count = PyTuple_GET_SIZE(edges);
    wired.first = wired.edges[0];
    Py_RETURN_NONE;
}

/* wire_middleware(running_loop, awaiting) */
static PyObject *
wire_middleware(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *running_loop, *awaiting;
    if (!PyArg_ParseTuple(args, "OO:wire_middleware", &running_loop, &awaiting)) {
        return NULL;
    }
    put(&wired.running_loop, running_loop);
    put(&wired.awaiting, awaiting);
    Py_RETURN_NONE;
}

PyThreadState *
thread_of(unsigned long id)
{
    PyThreadState *state = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    while (state != NULL && state->thread_id != id) {
        state = PyThreadState_Next(state);
    }
    return state;
}

/* Finds a thread's state, NULL if there is no such thread; returns -1 if it was asked wrongly. */
static int
find_thread(PyObject *thread, PyThreadState **found)
{
    unsigned long id = PyLong_AsUnsignedLong(thread);
    if (id == (unsigned long)-1 && PyErr_Occurred()) {
        return -1;
    }
    *found = thread_of(id);
    return 0;
}

/* running_context(thread) -> a copy of a thread's running context, None if it has none */
static PyObject *
running_context(PyObject *module, PyObject *thread)
{
    (void)module;
    PyThreadState *state;
    if (find_thread(thread, &state) < 0) {
        return NULL;
    }
    PyObject *context = state != NULL ? state->context : NULL;
    return is_there(context) ? PyContext_Copy(context) : Py_NewRef(Py_None);
}

/* running_frame(thread) -> a thread's innermost frame, None if it runs none. Asking the interpreter
   for the frames of all threads, for each of many loops, would cost loops times threads. */
static PyObject *
running_frame(PyObject *module, PyObject *thread)
{
    (void)module;
    PyThreadState *state;
    if (find_thread(thread, &state) < 0) {
        return NULL;
    }
    PyObject *frame = state != NULL ? (PyObject *)PyThreadState_GetFrame(state) : NULL;
    return frame != NULL ? frame : Py_NewRef(Py_None);
}

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL, NULL

static PyMethodDef functions[] = {
    {"add_request", add_request, METH_VARARGS, NULL},
    {"add_to_known", FAST(add_to_known)},
    {"answering", FAST(answering)},
    {"begin", FAST(begin)},
    {"look_up", look_up, METH_VARARGS, NULL},
    {"look_up_from", look_up_from, METH_VARARGS, NULL},
    {"read_at_once", read_at_once, METH_O, NULL},
    {"requests_begun", requests_begun, METH_NOARGS, NULL},
    {"running_context", running_context, METH_O, NULL},
    {"running_frame", running_frame, METH_O, NULL},
    {"stand", stand, METH_VARARGS, NULL},
#ifndef _WIN32
    {"rest", rest, METH_VARARGS, NULL},
#endif
    {"timed_run", timed_run, METH_VARARGS, NULL},
    {"timed_select", timed_select, METH_VARARGS, NULL},
    {"timed_soon", timed_soon, METH_VARARGS, NULL},
    {"wire_ledger", wire_ledger, METH_O, NULL},
    {"wire_middleware", wire_middleware, METH_VARARGS, NULL},
    {"wire_request", wire_request, METH_VARARGS, NULL},
    {"wire_steps", wire_steps, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- the module */

static int
make_strings(void)
{
#define MAKE(name) \
    if (str_##name == NULL && (str_##name = PyUnicode_InternFromString(#name)) == NULL) { \
        return -1; \
    }
    STRINGS(MAKE)
    MAKE(http)
    MAKE(websocket)
#undef MAKE
    struct {
        PyObject **text;
        const char *kind;
    } messages[] = {{&str_body, "http.response.body"},
                    {&str_start, "http.response.start"},
                    {&str_path, "http.response.pathsend"},
                    {&str_zero_copy, "http.response.zerocopysend"},
                    {&str_trailers_message, "http.response.trailers"}};
    for (size_t n = 0; n < sizeof(messages) / sizeof(*messages); n++) {
        if ((*messages[n].text = PyUnicode_InternFromString(messages[n].kind)) == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
ready_types(PyObject *module)
{
    PyTypeObject *hidden[] = {&TimedRunType, &TimedSelectType, &ScheduledType,
                              &TimedSoonType, &ResponseType, &ExchangeType};
    PyTypeObject *shown[] = {&LoopStateType, &RequestType, &RequestRowType, &StepRowType,
                             &LibuvPollType, &MiddlewareType, &WatcherType, &RecorderType};
    for (size_t n = 0; n < sizeof(hidden) / sizeof(*hidden); n++) {
        if (PyType_Ready(hidden[n]) < 0) {
            return -1;
        }
    }
    for (size_t n = 0; n < sizeof(shown) / sizeof(*shown); n++) {
        if (PyModule_AddType(module, shown[n]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
execute(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "loopwatch._speedups serves the main interpreter only");
        return -1;
    }
    int agrees = clock_agrees();
    if (agrees <= 0) {
        if (agrees == 0) {
            PyErr_SetString(PyExc_ImportError, "time.perf_counter is another clock than expected");
        }
        return -1;
    }
    put(&wired.nothing, PyTuple_New(0));
    Py_XDECREF(wired.nothing);
    if (wired.nothing == NULL || make_strings() < 0 || ready_types(module) < 0 ||
        PyModule_AddFunctions(module, clock_functions) < 0 ||
        PyModule_AddFunctions(module, turn_functions) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "ABI", ABI);
}

static void
release(void *module)
{
    (void)module;
    free_spares();
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "loopwatch._speedups",
    .m_methods = functions,
    .m_slots = slots,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&definition);
}
