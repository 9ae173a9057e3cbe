/* What a flight recorder notes of one step: who ran, for whom, and from where it came.

   The name of what ran is found by the address of its code object or type, which the recorder keeps
   so that the address stays its own. A class of the app's is not kept, but the code of its
   `__call__`, or a type of C's that it derives from. The text is made when somebody reads it. */

#include "recorder.h"

static PyTypeObject *step_wrapper; /* asyncio's TaskStepMethWrapper, once one was seen */

/* Returns a task whose step a callback runs, borrowed from it; NULL for other callbacks. */
static PyObject *
task_of(PyObject *callback)
{
    PyObject *task = NULL;
    PyTypeObject *type = Py_TYPE(callback);
    if (type == &PyMethod_Type || type == &PyFunction_Type) {
        return NULL;
    }
    if (PyCFunction_Check(callback)) {
        task = PyCFunction_GET_SELF(callback);
    }
    else if (type == step_wrapper ||
             (step_wrapper == NULL && strstr(type->tp_name, "TaskStepMethWrapper") != NULL)) {
        step_wrapper = type; /* a static type */
        task = PyObject_GetAttr(callback, str___self__);
        Py_XDECREF(task); /* the callback has it */
        PyErr_Clear();
    }
    return task != NULL && PyObject_TypeCheck(task, wired.task_type) ? task : NULL;
}

/* Returns a type that may be kept, borrowed: no class of the app's. */
static PyObject *
kept_type(PyTypeObject *type)
{
    while (!PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE) && type->tp_base != NULL) {
        type = type->tp_base;
    }
    return (PyObject *)type;
}

/* Returns the name of an object that is called or awaited, by its type. */
static uint16_t
name_of_type(Recorder *recorder, PyTypeObject *type)
{
    PyObject *kept = kept_type(type), *call = NULL;
    if (kept != (PyObject *)type && Py_TYPE(type) == &PyType_Type) {
        call = PyObject_GetAttr((PyObject *)type, str___call__);
        PyErr_Clear();
    }
    if (call != NULL && PyFunction_Check(call)) {
        kept = PyFunction_GET_CODE(call);
    }
    uint16_t name = name_of_thing(recorder, kept, kept, NULL);
    Py_XDECREF(call);
    return name;
}

/* Returns the name of a task's coroutine. */
static uint16_t
name_of_task(Recorder *recorder, PyObject *task)
{
    PyObject *coroutine = Py_TYPE(task) == wired.task_type
                              ? PyObject_GetAttr(task, str__coro)
                              : NULL;
    int has_one = coroutine != NULL && coroutine != Py_None; /* None: it ended in its eager start */
    uint16_t name = 0;
    if (has_one && PyCoro_CheckExact(coroutine)) {
        PyObject *code = PyObject_GetAttr(coroutine, str_cr_code);
        name = code != NULL ? name_of_thing(recorder, code, code, NULL) : 0;
        Py_XDECREF(code);
    }
    else {
        name = name_of_type(recorder, Py_TYPE(has_one ? coroutine : task));
    }
    Py_XDECREF(coroutine);
    PyErr_Clear();
    return name;
}

/* Returns the name of a callback that runs no task. */
static uint16_t
name_of_callback(Recorder *recorder, PyObject *callback)
{
    PyObject *function = PyMethod_Check(callback) ? PyMethod_GET_FUNCTION(callback) : callback;
    if (PyFunction_Check(function)) {
        PyObject *code = PyFunction_GET_CODE(function);
        return name_of_thing(recorder, code, code, NULL);
    }
    if (PyCFunction_CheckExact(callback)) {
        PyMethodDef *method = ((PyCFunctionObject *)callback)->m_ml;
        PyObject *self = PyCFunction_GET_SELF(callback);
        if (self != NULL && !PyModule_Check(self)) {
            return name_of_thing(recorder, method, kept_type(Py_TYPE(self)), method->ml_name);
        }
    }
    return name_of_type(recorder, Py_TYPE(callback));
}

/* Returns when a handle of asyncio is due, s of its loop's clock; 0.0 if it is no timer. */
static double
due_of(PyObject *handle)
{
    if (Py_IS_TYPE(handle, wired.handle_type)) {
        return 0.0;
    }
    PyObject *when = of_timer(handle);
    double due = when != NULL && PyFloat_Check(when) ? PyFloat_AS_DOUBLE(when) : 0.0;
    Py_XDECREF(when);
    return due;
}

/* Completes an entry by the loop's own queue, at the end of a step. */
static void
add_place(Recorder *recorder, Entry *entry)
{
    uint32_t before = recorder->pushed;
    entry->from.line.position = recorder->position;
    entry->from.line.pushed = before;
    look_at_line(recorder, 0);
    uint32_t pushes = recorder->pushed - before;
    entry->pushes = (uint16_t)(pushes < UINT16_MAX ? pushes : UINT16_MAX);
}

/* Records a step that has just ended; `request` may be NULL. */
void
record_step(Recorder *recorder, LoopState *state, PyObject *handle, PyObject *request, double began,
            double now)
{
    Entry entry = {.started = began, .ended = now, .kind = CALLBACK_STEP};
    PyObject *callback;
    entry.turn = (uint16_t)state->turns;
    entry.request = request != NULL ? (uint32_t)((Request *)request)->serial : 0;
    if (Py_IS_TYPE(handle, &ScheduledType)) {
        entry.from.made = ((Scheduled *)handle)->made;
        entry.due = ((Scheduled *)handle)->due;
        callback = ((Scheduled *)handle)->callback;
        Py_INCREF(callback);
    }
    else {
        entry.due = due_of(handle);
        callback = of_handle(handle, at_callback, str__callback);
        if (recorder->line != NULL) {
            add_place(recorder, &entry);
        }
    }
    if (request != NULL && state->served) {
        entry.kind = REQUEST_STEP;
    }
    else if (callback != NULL && callback != Py_None) { /* None: cancelled in its own step */
        PyObject *task = task_of(callback);
        entry.kind = task != NULL ? TASK_STEP : CALLBACK_STEP;
        entry.task = (uint32_t)((uintptr_t)task >> 4);
        entry.name = task != NULL ? name_of_task(recorder, task) : name_of_callback(recorder, callback);
    }
    else if (callback == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(callback);
    *next_entry(recorder) = entry;
    publish_entry(recorder);
}
