// The result of a call: JSON, or content; and how main begins and ends.
const bad = (what, place) => new TypeError(`main returned ${what}${place === "" ? "" : ` (at ${place})`}`);
const step = (key, inArray) => (inArray ? `[${key}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${quote(key)}]`);

// JSON without lone surrogates, which alone are written as \ud8.. to \udf..; they are no text anywhere else.
const paired = (json) =>
  json.includes("\\ud") ? json.replace(/\\(?:u(d[89a-f][0-9a-f]{2})|.)/g, (found, lone) => (lone ? "\\ufffd" : found)) : json;

// JSON of what main returned. Beside what JSON has: Map is an object, Set an array, bytes are base64,
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
    if (one === null) return null;
    let made = one;
    if (one instanceof Map) made = Object.fromEntries(one);
    else if (one instanceof Set) made = [...one];
    else if (bytesOf(one) !== undefined) {
      const bytes = bytesOf(one);
      return host.base64Encode(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    } else if (recordOf(one) !== undefined || resultOf(one) !== undefined) {
      throw bad("content inside of a value; return it by itself, in an array, or by ctx.result(content, value)", place(this, key));
    } else if (one instanceof Promise) throw bad("a Promise, which is not JSON; `await` it first", place(this, key));
    else if (one instanceof Response) throw bad("a Response, which is not JSON; return await response.json() or response.text()", place(this, key));
    else if (one instanceof Error) throw bad(`an Error (${headline(one)}), which is not JSON; throw it instead`, place(this, key));
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
