/* asyncio.Handle._run, with every step of the loops that are watched timed.

   One clock read a step: a step begins where the one before it ended, and a tick's first step where
   the poll returned. If `run` is asyncio's own, C does its work: enter the context, call, leave.
   The owner is looked up before the context is left. Python reports an exception, as `run` does. In
   unusual cases `run` itself is called, and timed from outside. */

#include "asyncio_run.h"
#include "gil_turns.h"
#include "raised.h"
#include "recorder.h"

/* Offsets of the slots that we read in a handle; 0 if it has no such slot: use getattr. */
Py_ssize_t at_callback;
static Py_ssize_t at_args, at_context, at_loop;

/* Returns the offset of the slot `name` in a type; 0 if it is no plain slot. */
static Py_ssize_t
slot_of(PyTypeObject *type, PyObject *name)
{
    Py_ssize_t at = 0;
    PyObject *descriptor = PyObject_GetAttr((PyObject *)type, name);
    if (descriptor == NULL) {
        PyErr_Clear();
    }
    else if (Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) {
        PyMemberDescrObject *member = (PyMemberDescrObject *)descriptor;
        if (member->d_member->type == T_OBJECT_EX && PyType_IsSubtype(type, member->d_common.d_type)) {
            at = member->d_member->offset;
        }
    }
    Py_XDECREF(descriptor);
    return at;
}

void
find_slots(void)
{
    at_args = slot_of(wired.handle_type, str__args);
    at_callback = slot_of(wired.handle_type, str__callback);
    at_context = slot_of(wired.handle_type, str__context);
    at_loop = slot_of(wired.handle_type, str__loop);
}

int
has_slots(void)
{
    return at_args && at_callback && at_context && at_loop;
}

/* Returns a handle's attribute, a new reference. */
PyObject *
of_handle(PyObject *handle, Py_ssize_t at, PyObject *name)
{
    if (name == str__callback && Py_IS_TYPE(handle, &ScheduledType)) {
        return Py_NewRef(((Scheduled *)handle)->callback);
    }
    if (at != 0 && PyObject_TypeCheck(handle, wired.handle_type)) {
        PyObject *found = *(PyObject **)((char *)handle + at);
        if (found != NULL) {
            return Py_NewRef(found);
        }
    }
    return PyObject_GetAttr(handle, name);
}

/* Returns when a timer's handle is due, as the loop's clock has it; a new reference, or NULL without
   an exception. */
PyObject *
of_timer(PyObject *handle)
{
    static PyTypeObject *timer_type; /* the last one, kept: nothing else gets its address */
    static Py_ssize_t at_when;
    PyTypeObject *type = Py_TYPE(handle);
    if (type != timer_type) {
        put((PyObject **)&timer_type, (PyObject *)type);
        at_when = slot_of(type, str__when);
    }
    return at_when != 0 ? Py_XNewRef(*(PyObject **)((char *)handle + at_when)) : NULL;
}

/* Gives the loop state of a handle's loop, a new reference; NULL if the loop is not watched. */
static int
find_pulse(TimedRun *self, PyObject *handle, LoopState **state)
{
    PyObject *loop = of_handle(handle, at_loop, str__loop), *found;
    *state = NULL;
    if (loop == NULL) {
        return -1;
    }
    found = loop == self->only ? self->its_state : PyDict_GetItemWithError(self->states, loop);
    if (found != NULL && found != self->its_state && !PyObject_TypeCheck(found, &LoopStateType)) {
        found = NULL; /* the dict has changed since */
    }
    *state = (LoopState *)Py_XNewRef(found);
    Py_DECREF(loop);
    return found == NULL && PyErr_Occurred() ? -1 : 0;
}

/* Gives the request in a handle's context, NULL if it has none. */
static int
find_owner_of(PyObject *handle, PyObject **owner)
{
    PyObject *context = of_handle(handle, at_context, str__context);
    *owner = NULL;
    if (context == NULL) {
        return -1;
    }
    int known = PyContext_CheckExact(context) /* else its `run` has failed, and that is reported */
                    ? PySequence_Contains(context, wired.variable) /* a miss makes no KeyError */
                    : 0;
    if (known > 0) {
        *owner = PyObject_GetItem(context, wired.variable);
        known = *owner == NULL ? -1 : known;
    }
    Py_DECREF(context);
    if (*owner != NULL && !is_request(*owner)) {
        Py_CLEAR(*owner);
    }
    return known < 0 ? -1 : 0;
}

/* Has Python report a callback's exception, unless that ends the loop. */
static PyObject *
report(PyObject *handle)
{
    PyObject *type, *value, *trace, *done;
    if (PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        return NULL;
    }
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        PyException_SetTraceback(value, trace);
    }
    done = PyObject_CallFunctionObjArgs(wired.report, handle, value, NULL);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return done;
}

/* Ends a handle's step, owned by `owner` (reference stolen); an exception that is set stays set. */
static int
end_run(LoopState *state, PyObject *handle, PyObject *owner, int raised)
{
    Raised aside = set_aside(raised);
    state->running = NULL;
    double now = read_clock();
    int failed = end_step(state, handle, owner, state->mark, now);
    Py_XDECREF(owner);
    give_due_turn(state, now);
    return put_back(aside, failed);
}

/* Does what asyncio's own _run does. Returns 0, with nothing done, if that must be called. */
static int
run_plainly(LoopState *state, PyObject *handle, PyObject **done)
{
    PyObject *context = *(PyObject **)((char *)handle + at_context);
    PyObject *callback = *(PyObject **)((char *)handle + at_callback);
    PyObject *args = *(PyObject **)((char *)handle + at_args), *owner = NULL;
    if (context == NULL || callback == NULL || args == NULL || !PyContext_CheckExact(context) ||
        !PyTuple_CheckExact(args)) {
        return 0;
    }
    if (PyContext_Enter(context) < 0) { /* entered already: `run` raises the usual error */
        PyErr_Clear();
        return 0;
    }
    Py_INCREF(context);
    Py_INCREF(callback);
    Py_INCREF(args);
    note_place(state->recorder);
    state->running = handle;
    state->owner = NULL;
    *done = PyObject_Vectorcall(callback, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), NULL);
    Raised aside = set_aside(*done == NULL);
    if (find_owner(state, &owner) < 0) {
        PyErr_WriteUnraisable(handle);
    }
    if (PyContext_Exit(context) < 0) {
        PyErr_WriteUnraisable(handle);
    }
    if (aside.type != NULL) {
        put_back(aside, 0);
        *done = report(handle);
    }
    if (end_run(state, handle, owner, *done == NULL) < 0) {
        Py_CLEAR(*done);
    }
    Py_DECREF(context);
    Py_DECREF(callback);
    Py_DECREF(args);
    return 1;
}

static PyObject *
run_with(TimedRun *self, LoopState *state, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *done, *owner = NULL;
    note_place(state->recorder);
    state->running = args[0];
    done = PyObject_Vectorcall(self->run, args, count, names);
    state->owner = NULL;
    state->served = 0;
    Raised aside = set_aside(done == NULL);
    if (put_back(aside, find_owner_of(args[0], &owner) < 0 ? drop_error(args[0]) : 0) < 0) {
        Py_CLEAR(done);
    }
    if (end_run(state, args[0], owner, done == NULL) < 0) {
        Py_CLEAR(done);
    }
    return done;
}

PyObject *
timed_run_call(TimedRun *self, PyObject *const *args, size_t count, PyObject *names)
{
    LoopState *state = NULL;
    PyObject *done = NULL;
    if (PyVectorcall_NARGS(count) < 1 || find_pulse(self, args[0], &state) < 0) {
        PyErr_Clear();
    }
    if (state == NULL) {
        return PyObject_Vectorcall(self->run, args, count, names);
    }
    if (!self->plain || PyVectorcall_NARGS(count) != 1 || names != NULL ||
        !PyObject_TypeCheck(args[0], wired.handle_type) || !run_plainly(state, args[0], &done)) {
        done = run_with(self, state, args, count, names);
    }
    Py_DECREF(state);
    return done;
}
