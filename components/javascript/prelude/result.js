// The result of a call: JSON, or content; and how main begins and ends.
const bad = (what, place) => new TypeError(`main returned ${what}${place === "" ? "" : ` (at ${place})`}`);
const step = (key, inArray) => (inArray ? `[${key}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${quote(key)}]`);

// JSON without lone surrogates, which alone are written as \ud8.. to \udf..; they are no text anywhere else.
const paired = (json) =>
  json.includes("\\ud") ? json.replace(/\\(?:u(d[89a-f][0-9a-f]{2})|.)/g, (found, lone) => (lone ? "\\ufffd" : found)) : json;

// What has no JSON of its own, and what to return in its place.
const NOT_JSON = [
  [Promise, "`await` it first"],
  [Response, "return await response.json() or response.text()"],
  [Request, "return what you need of it, such as request.url"],
  [URLSearchParams, "return Object.fromEntries(…) of it, or its toString()"],
  [RegExp, "return its source"],
  [WeakRef, "return what its deref() gives"],
];
for (const one of [WeakMap, WeakSet, FinalizationRegistry, AbortController, AbortSignal, Event, CryptoKey, TextEncoder, TextDecoder]) {
  NOT_JSON.push([one, "return what you need of it"]);
}
const BOXES = [String, Number, Boolean, BigInt, Symbol];
const plainObject = Object.prototype;
const plainArray = Array.prototype;
const { getPrototypeOf, fromEntries, keys: keysOf } = Object;
const { iterator, asyncIterator } = Symbol;

const isBox = (value) => {
  for (let at = 0; at < BOXES.length; at++) if (value instanceof BOXES[at]) return true;
  return false;
};

// A Map as an object: its keys become text, and none of them may be lost by that.
const ofMap = (map, refuse) => {
  for (const [key] of map) {
    if (typeof key === "symbol" || typeof key === "function" || (typeof key === "object" && key !== null)) {
      throw refuse(`a Map with the key ${show(key, 0)}, and keys of JSON are text; return [...map], or text as its keys`);
    }
  }
  const made = fromEntries(map);
  if (keysOf(made).length !== map.size) throw refuse("a Map with two keys that are the same as text; return [...map]");
  return made;
};

// A header that came several times has one value, as get() gives it.
const ofHeaders = (headers) => {
  const pairs = [];
  for (const name of headers.keys()) pairs[pairs.length] = [name, headers.get(name)];
  return fromEntries(pairs);
};

// What an object of a class is in JSON: itself for an author's own. `refuse` makes an error of what it is called.
const ofClass = (one, refuse) => {
  if (one instanceof Map) return ofMap(one, refuse);
  if (one instanceof Set) return [...one];
  if (one instanceof Headers) return ofHeaders(one);
  const bytes = bytesOf(one);
  if (bytes !== undefined) return host.base64Encode(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (recordOf(one) !== undefined || resultOf(one) !== undefined) {
    throw refuse("content inside of a value; return it by itself, in an array, or by ctx.result(content, value)");
  }
  if (one instanceof Error) throw refuse(`an Error (${headline(one)}), which is not JSON; throw it instead`);
  for (let at = 0; at < NOT_JSON.length; at++) {
    const [constructor, instead] = NOT_JSON[at];
    if (!(one instanceof constructor)) continue;
    const { name } = constructor;
    throw refuse(`${name[0] === "A" || name[0] === "E" ? "an" : "a"} ${name}, which is not JSON; ${instead}`);
  }
  if (!isArray(one) && keysOf(one).length === 0) {
    if (iterator in one) throw refuse("an iterator or another iterable, which is not JSON; return an array of what it gives, [...x]");
    if (asyncIterator in one) throw refuse("an asynchronous iterator, which is not JSON; return an array of what it gives, await Array.fromAsync(x)");
  }
  return one;
};

// JSON of what main returned. Beside what JSON has: Map and Headers are objects, Set an array, bytes are base64,
// a bigint is a number if that is exact and text otherwise. What JSON cannot say is refused with its place.
const encode = (value) => {
  const path = [];
  // By loops alone: a tool may have broken the methods of arrays.
  const climb = (holder) => {
    while (path.length > 0 && path[path.length - 1].made !== holder) path.length--;
  };
  const place = (holder, key) => {
    climb(holder);
    let text = "";
    for (let at = 1; at < path.length; at++) text += step(path[at].key, isArray(path[at - 1].made));
    return path.length === 0 ? text : text + step(key, isArray(holder));
  };
  // Its `this` is what holds the value; JSON goes through values depth first.
  const replacer = function (key, one) {
    switch (typeof one) {
      case "string":
      case "boolean":
      case "undefined":
        return one;
      case "number":
        if (Number.isFinite(one)) return one;
        throw bad(`${one}, and JSON has no such number; return null or a string instead`, place(this, key));
      case "bigint":
        return one >= Number.MIN_SAFE_INTEGER && one <= Number.MAX_SAFE_INTEGER ? Number(one) : `${one}`;
      case "function":
        throw bad(`the function ${one.name || "(without a name)"}, which is not JSON; did you mean to call it?`, place(this, key));
      case "symbol":
        throw bad(`${String(one)}, which is not JSON`, place(this, key));
      default:
        break;
    }
    if (one === null) {
      // A Date that is none has become null on its way here.
      if (this[key] instanceof Date && Number.isNaN(this[key].getTime())) {
        throw bad("an invalid Date, which is not JSON; return null or a string instead", place(this, key));
      }
      return null;
    }
    const kind = getPrototypeOf(one);
    let made = one;
    if (kind !== plainObject && kind !== plainArray && kind !== null) {
      if (isBox(one)) return replacer.call(this, key, one.valueOf());
      made = ofClass(one, (what) => bad(what, place(this, key)));
      if (typeof made === "string") return made;
    }
    climb(this);
    for (let above = 0; above < path.length; above++) {
      if (path[above].value === one) throw bad("a value that contains itself; JSON cannot", place(this, key));
    }
    path[path.length] = { made, value: one, key };
    return made;
  };
  return paired(stringify(value === undefined ? null : value, replacer) ?? "null");
};

// What main returned: its JSON, and the pieces of content that it is made of, or null. With pieces the JSON is that
// of what is structured, null for nothing.
const outcome = (value) => {
  const made = contentOf(value);
  return made === undefined ? [encode(value), null] : [encode(made.structured), made.pieces];
};

// Rejections that nobody has handled so far; what is left when main is done is told on stderr.
const unhandled = new Map();
const rejected = (promise, reason, handled) => {
  if (handled) unhandled.delete(promise);
  else unhandled.set(promise, reason);
};
const tellUnhandled = () => {
  for (const reason of unhandled.values()) print(true, `Unhandled rejection: ${showError(reason)}`);
  unhandled.clear();
};

// Begins work (a promise, or a function to call) and notes how it ended.
const begin = (work) => {
  const state = { done: false, failed: false, value: undefined };
  (async () => (typeof work === "function" ? work() : work))().then(
    (value) => {
      state.done = true;
      state.value = value;
    },
    (error) => {
      state.done = state.failed = true;
      state.value = error;
    },
  );
  return state;
};

// What the runner calls.
const entries = {
  turn,
  outcome,
  describeError,
  rejected,
  tellUnhandled,
  awaitModule: (promise) => begin(promise),
  call: (main, json) => begin(() => main(parse(json), ctx)),
  fault: () => (fault.happened ? [fault.error] : null),
};
