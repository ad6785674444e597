// console, and how it shows values: as Node does, within bounds.
const DEPTH = 4;
const ITEMS = 100;
const LINE = 72;

const quote = (string) => stringify(string);
const showKey = (key) => (typeof key === "symbol" ? `[${String(key)}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key));

const joined = (open, parts, close) => {
  if (parts.length === 0) return `${open}${close}`;
  const short = parts.join(", ");
  if (short.length <= LINE && !short.includes("\n")) return `${open} ${short} ${close}`;
  return `${open}\n${parts.map((part) => `  ${part.replaceAll("\n", "\n  ")}`).join(",\n")}\n${close}`;
};

const limited = (values, show) => {
  const parts = [];
  for (const value of values) {
    if (parts.length === ITEMS) {
      parts.push("…");
      break;
    }
    parts.push(show(value));
  }
  return parts;
};

const inspect = (value, depth, seen) => {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "bigint":
      return `${value}n`;
    case "symbol":
      return String(value);
    case "function":
      return `[${/^class\b/.test(Function.prototype.toString.call(value)) ? "class" : "Function"} ${value.name || "(anonymous)"}]`;
    case "object":
      break;
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
  if (value === null) return "null";
  if (seen.includes(value)) return "[Circular]";
  if (value instanceof Error) return showError(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof URL) return `URL { ${quote(value.href)} }`;
  if (value instanceof Promise) return "Promise { … }";
  if (recordOf(value) !== undefined) return `Content { ${value.type} }`;
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "[Object: null prototype]";
  if (depth < 0) return Array.isArray(value) ? "[Array]" : `[${name}]`;
  const inner = (one) => inspect(one, depth - 1, [...seen, value]);
  if (Array.isArray(value)) return joined("[", limited(value, inner), "]");
  if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return joined(`${name}(${value.length}) [`, limited(value, inner), "]");
  if (value instanceof Map) {
    return joined(`Map(${value.size}) {`, limited(value, ([key, one]) => `${inner(key)} => ${inner(one)}`), "}");
  }
  if (value instanceof Set) return joined(`Set(${value.size}) {`, limited(value, inner), "}");
  if (value instanceof URLSearchParams || value instanceof Headers) {
    return joined(`${name} {`, limited(value, ([key, one]) => `${quote(key)} => ${quote(one)}`), "}");
  }
  if (value instanceof Response) return `Response { status: ${value.status}, url: ${quote(value.url)} }`;
  const keys = Object.keys(value);
  return joined(name === "Object" ? "{" : `${name} {`, limited(keys, (key) => `${showKey(key)}: ${inner(value[key])}`), "}");
};

const show = (value, depth = DEPTH) => {
  try {
    return inspect(value, depth, []);
  } catch (error) {
    return `[cannot be shown: ${error?.message}]`;
  }
};

const format = (values) => {
  const rest = [...values];
  const parts = [];
  if (typeof rest[0] === "string" && rest[0].includes("%") && rest.length > 1) {
    const pattern = rest.shift();
    parts.push(
      pattern.replace(/%([sdifjoOc%])/g, (found, kind) => {
        if (kind === "%") return "%";
        if (rest.length === 0) return found;
        const value = rest.shift();
        if (kind === "s") return typeof value === "string" ? value : show(value, 0);
        if (kind === "d") return typeof value === "bigint" ? `${value}n` : String(Number(value));
        if (kind === "i") return String(parseInt(value, 10));
        if (kind === "f") return String(parseFloat(value));
        if (kind === "j") return stringify(value);
        return kind === "c" ? "" : show(value);
      }),
    );
  }
  return [...parts, ...rest.map((value) => (typeof value === "string" ? value : show(value)))].join(" ");
};

let indent = "";
const counts = new Map();
const began_at = new Map();
const print = (toStderr, line) => host.print(toStderr, `${wellFormed(indent === "" ? line : line.replace(/^/gm, indent))}\n`);
const out = (...values) => print(false, format(values));
const err = (...values) => print(true, format(values));
const took = (label) => {
  const since = began_at.get(`${label}`);
  return since === undefined ? undefined : `${label}: ${(host.monotonic() - since).toFixed(3)} ms`;
};

const console = {
  log: out,
  info: out,
  debug: out,
  warn: err,
  error: err,
  dir: (value) => print(false, show(value)),
  trace: (...values) => print(true, `Trace: ${format(values)}\n${authorsFrames(new Error().stack).join("\n")}`),
  assert: (condition, ...values) => {
    if (!condition) print(true, values.length > 0 ? `Assertion failed: ${format(values)}` : "Assertion failed");
  },
  group: (...values) => {
    if (values.length > 0) out(...values);
    indent += "  ";
  },
  groupEnd: () => {
    indent = indent.slice(2);
  },
  count: (label = "default") => {
    counts.set(`${label}`, (counts.get(`${label}`) ?? 0) + 1);
    print(false, `${label}: ${counts.get(`${label}`)}`);
  },
  countReset: (label = "default") => {
    counts.delete(`${label}`);
  },
  time: (label = "default") => {
    began_at.set(`${label}`, host.monotonic());
  },
  timeLog: (label = "default", ...values) => print(false, [took(label) ?? `${label}: no such timer`, ...values.map((value) => show(value))].join(" ")),
  timeEnd: (label = "default") => {
    print(false, took(label) ?? `${label}: no such timer`);
    began_at.delete(`${label}`);
  },
  table: (rows) => {
    if (typeof rows !== "object" || rows === null) return out(rows);
    const keys = Object.keys(rows);
    const columns = [...new Set(keys.flatMap((key) => (typeof rows[key] === "object" && rows[key] !== null ? Object.keys(rows[key]) : [""])))];
    const cell = (row, column) => (typeof row === "object" && row !== null ? (Object.hasOwn(row, column) ? show(row[column], 0) : "") : column === "" ? show(row, 0) : "");
    const table = [["", ...columns], ...keys.map((key) => [key, ...columns.map((column) => cell(rows[key], column))])];
    const widths = table[0].map((_, at) => Math.max(...table.map((row) => row[at].length)));
    print(false, table.map((row) => row.map((value, at) => value.padEnd(widths[at])).join("  ").trimEnd()).join("\n"));
  },
};
console.groupCollapsed = console.group;
Object.defineProperty(console, Symbol.toStringTag, { value: "console" });

define({ console });
