// structuredClone: values without their behaviour, cycles included.
const uncloneable = (what) => new DOMException(`${what} could not be cloned`, "DataCloneError");
const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

const cloneInto = (seen, value, made, fill) => {
  seen.set(value, made);
  fill?.(made);
  return made;
};

const clone = (value, seen) => {
  if (typeof value === "function") throw uncloneable(`the function ${value.name || "(without a name)"}`);
  if (typeof value === "symbol") throw uncloneable(String(value));
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (made, fill) => cloneInto(seen, value, made, fill);
  if (Array.isArray(value)) {
    return keep(new Array(value.length), (made) => {
      for (const key of Object.keys(value)) made[key] = clone(value[key], seen);
    });
  }
  if (value instanceof Date) return keep(new Date(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof Map) {
    return keep(new Map(), (made) => {
      for (const [key, one] of [...value]) made.set(clone(key, seen), clone(one, seen));
    });
  }
  if (value instanceof Set) {
    return keep(new Set(), (made) => {
      for (const one of [...value]) made.add(clone(one, seen));
    });
  }
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (ArrayBuffer.isView(value)) {
    const buffer = clone(value.buffer, seen);
    const length = value instanceof DataView ? value.byteLength : value.length;
    return keep(new value.constructor(buffer, value.byteOffset, length));
  }
  if (value instanceof Error) {
    const made = new (Object.hasOwn(ERRORS, value.name) ? ERRORS[value.name] : Error)(value.message);
    made.stack = value.stack;
    return keep(made, () => {
      if (Object.hasOwn(value, "cause")) made.cause = clone(value.cause, seen);
    });
  }
  if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) {
    return keep(Object(value.valueOf()));
  }
  for (const one of [Promise, WeakMap, WeakSet, WeakRef]) {
    if (value instanceof one) throw uncloneable(`a ${one.name}`);
  }
  return keep({}, (made) => {
    for (const key of Object.keys(value)) {
      // Not by assignment: `__proto__` is a key like any other here.
      Object.defineProperty(made, key, { value: clone(value[key], seen), writable: true, enumerable: true, configurable: true });
    }
  });
};
function structuredClone(value) {
  if (arguments.length === 0) throw new TypeError("structuredClone takes a value");
  return clone(value, new Map());
}
define({ structuredClone });
