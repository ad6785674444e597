// Event, EventTarget, AbortSignal, AbortController.
class Event {
  #type;
  #stopped = false;
  #canceled = false;
  #cancelable;
  target = null;
  currentTarget = null;

  constructor(type, { cancelable = false } = {}) {
    this.#type = `${type}`;
    this.#cancelable = Boolean(cancelable);
  }
  get type() {
    return this.#type;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get defaultPrevented() {
    return this.#canceled;
  }
  preventDefault() {
    if (this.#cancelable) this.#canceled = true;
  }
  stopImmediatePropagation() {
    this.#stopped = true;
  }
  stopPropagation() {}
  static isStopped(event) {
    return event.#stopped;
  }
}
const { isStopped } = Event;
delete Event.isStopped;

class CustomEvent extends Event {
  #detail;
  constructor(type, { detail = null, ...options } = {}) {
    super(type, options);
    this.#detail = detail;
  }
  get detail() {
    return this.#detail;
  }
}

class EventTarget {
  #listeners = new Map();

  addEventListener(type, listener, options) {
    if (listener == null) return;
    const { once = false, signal } = typeof options === "object" && options !== null ? options : {};
    if (signal?.aborted) return;
    const listeners = this.#listeners.get(`${type}`) ?? [];
    if (listeners.some((one) => one.listener === listener)) return;
    // A new list: one that is being gone through does not change.
    this.#listeners.set(`${type}`, [...listeners, { listener, once }]);
    signal?.addEventListener("abort", () => this.removeEventListener(type, listener), { once: true });
  }
  removeEventListener(type, listener) {
    const listeners = this.#listeners.get(`${type}`);
    if (listeners) this.#listeners.set(`${type}`, listeners.filter((one) => one.listener !== listener));
  }
  dispatchEvent(event) {
    event.target = event.currentTarget = this;
    for (const { listener, once } of this.#listeners.get(event.type) ?? []) {
      if (once) this.removeEventListener(event.type, listener);
      if (typeof listener === "function") guarded(listener, this, event);
      else guarded(listener.handleEvent, listener, event);
      if (isStopped(event)) break;
    }
    event.currentTarget = null;
    return !event.defaultPrevented;
  }
}

const PRIVATE = Symbol("private");

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  onabort = null;

  constructor(key) {
    super();
    if (key !== PRIVATE) throw new TypeError("Illegal constructor: use new AbortController().signal");
  }
  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
  static abort(reason) {
    const signal = new AbortSignal(PRIVATE);
    abortSignal(signal, reason);
    return signal;
  }
  static timeout(milliseconds) {
    const signal = new AbortSignal(PRIVATE);
    setTimeout(() => abortSignal(signal, new DOMException("The operation timed out", "TimeoutError")), milliseconds);
    return signal;
  }
  static any(signals) {
    const both = new AbortSignal(PRIVATE);
    for (const signal of signals) {
      if (signal.aborted) {
        abortSignal(both, signal.reason);
        break;
      }
      signal.addEventListener("abort", () => abortSignal(both, signal.reason), { once: true });
    }
    return both;
  }
  static [PRIVATE](signal, reason) {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
    const event = new Event("abort");
    if (typeof signal.onabort === "function") guarded(signal.onabort, signal, event);
    signal.dispatchEvent(event);
  }
}
const abortSignal = AbortSignal[PRIVATE];
delete AbortSignal[PRIVATE];

class AbortController {
  #signal = new AbortSignal(PRIVATE);
  get signal() {
    return this.#signal;
  }
  abort(reason) {
    abortSignal(this.#signal, reason);
  }
}

for (const one of [Event, CustomEvent, EventTarget, AbortSignal, AbortController]) tag(one);
define({ Event, CustomEvent, EventTarget, AbortSignal, AbortController });
