// What the other files of the prelude stand on. All of them are one function, `(host) => entry points`;
// `host` holds the functions that Rust gives (src/host.rs) and is never reachable from a tool.
// Taken here, so that a tool that changes the built-ins does not change what its result looks like.
const { stringify, parse } = JSON;
const { isArray } = Array;
const wellFormed = Function.prototype.call.bind(String.prototype.toWellFormed);

// Text that can cross to the host: lone surrogates have no UTF-8 form.
const text = (value) => wellFormed(`${value}`);

const define = (names) => {
  for (const [name, value] of Object.entries(names)) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }
};

// Makes properties of a class show in `for … in`, as the standards of the web have it, and names it.
const tag = (constructor) => {
  Object.defineProperty(constructor.prototype, Symbol.toStringTag, { value: constructor.name, configurable: true });
};

// The bytes of an ArrayBuffer, a typed array or a DataView, without a copy; undefined for anything else.
const bytesOf = (value) => {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return undefined;
};

const utf8 = (string) => new Uint8Array(host.utf8Encode(text(string)));

// What ends the call from outside of main: an exception in a timer, an event listener or a microtask.
const fault = { happened: false, error: undefined };
const report = (error) => {
  if (!fault.happened) {
    fault.happened = true;
    fault.error = error;
  }
};
const guarded = (callback, self, ...values) => {
  try {
    callback.apply(self, values);
  } catch (error) {
    report(error);
  }
};

// QuickJS seeds Math.random when the context is made, and that is in the snapshot.
Math.random = function random() {
  return host.randomFloat();
};
Object.defineProperty(Math, "random", { enumerable: false });
