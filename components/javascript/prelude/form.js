// Forms: what ctx.elicit asks for, as the flat schema that MCP has for it, and what comes back.
const NAMES = new Map([[String, "string"], [Number, "number"], [Boolean, "boolean"]]);
const WORDS = ["title", "description", "default"];
const FORMATS = ["email", "uri", "date", "date-time"];
const isText = (value) => typeof value === "string";
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isTexts = (value) => isArray(value) && value.length > 0 && value.every(isText) && new Set(value).size === value.length;
const isTitled = (value) => isArray(value) && value.every((one) => isText(one?.title)) && isTexts(value.map((one) => one.const));
const isFormat = (value) => FORMATS.includes(value);
const isItems = (value) => isTexts(value?.enum) || isTitled(value?.anyOf);

// By type: what a field may say beside WORDS, what a value is, and what that is called.
const FIELDS = {
  string: [{ minLength: isCount, maxLength: isCount, format: isFormat, enum: isTexts, enumNames: isTexts, oneOf: isTitled }, isText, "a string"],
  number: [{ minimum: isNumber, maximum: isNumber }, isNumber, "a number"],
  integer: [{ minimum: isNumber, maximum: isNumber }, Number.isSafeInteger, "an integer"],
  boolean: [{}, (value) => typeof value === "boolean", "true or false"],
  array: [{ items: isItems, minItems: isCount, maxItems: isCount }, isArray, "an array"],
};

// What keeps a value from being that of a field, in words; undefined when nothing does.
const misfitOf = (value, { type, minimum, maximum, ...schema }) => {
  const [, fits, expected] = FIELDS[type];
  if (!fits(value)) return `${show(value, 1)} is not ${expected}`;
  const { enum: texts, oneOf, anyOf } = type === "array" ? schema.items : schema;
  const choices = texts ?? (oneOf ?? anyOf)?.map((one) => one.const);
  if (choices !== undefined) {
    for (const one of type === "array" ? value : [value]) {
      if (!choices.includes(one)) return `${show(one, 0)} is not one of ${choices.join(", ")}`;
    }
  }
  const size = isNumber(value) ? value : type === "boolean" ? 0 : [...value].length;
  if (size < (minimum ?? schema.minLength ?? schema.minItems)) return `${show(value, 1)} is too ${isNumber(value) ? "small" : "short"}`;
  if (size > (maximum ?? schema.maxLength ?? schema.maxItems)) return `${show(value, 1)} is too ${isNumber(value) ? "large" : "long"}`;
  return undefined;
};

const unfit = (name, why) => new TypeError(`a form cannot ask for ${quote(name)}: ${why}`);
const WANTED = 'write String, Number, Boolean, "integer", an array of choices, or a property such as { type: "integer", minimum: 1 }';

// [schema, whether it may be left empty] of one field.
const fieldOf = (name, given) => {
  if (isArray(given)) {
    const several = given.length === 1 && isArray(given[0]);
    const texts = several ? given[0] : given;
    if (!isTexts(texts)) throw unfit(name, "its choices are one or more strings, each once");
    const choice = { type: "string", enum: [...texts] };
    return [several ? { type: "array", items: choice } : choice, false];
  }
  if (NAMES.has(given) || isText(given)) return fieldOf(name, { type: given });
  if (typeof given !== "object" || given === null) throw unfit(name, WANTED);
  const { type: kind, optional = false, ...said } = given;
  const type = NAMES.get(kind) ?? kind ?? (said.enum !== undefined || said.oneOf !== undefined ? "string" : undefined);
  if (!isText(type) || !Object.hasOwn(FIELDS, type)) throw unfit(name, `its type is ${show(kind, 0)}, and forms are flat; ${WANTED}`);
  const [allowed] = FIELDS[type];
  for (const [word, value] of Object.entries(said)) {
    if (word === "default") continue;
    const isRight = WORDS.includes(word) ? isText : Object.hasOwn(allowed, word) ? allowed[word] : undefined;
    if (isRight === undefined) throw unfit(name, `a ${type} has no ${quote(word)}; it has ${[...WORDS, ...Object.keys(allowed)].join(", ")}`);
    if (!isRight(value)) throw unfit(name, `its ${quote(word)} cannot be ${show(value, 1)}`);
  }
  if (type === "array" && said.items === undefined) throw unfit(name, 'several choices are an array in an array, such as [["a", "b"]]');
  const schema = { type, ...said };
  if (type === "array" && isTexts(said.items.enum)) schema.items = { type: "string", enum: [...said.items.enum] };
  const misfit = said.default === undefined ? undefined : misfitOf(said.default, schema);
  if (misfit !== undefined) throw unfit(name, `its default ${misfit}`);
  return [schema, Boolean(optional) || said.default !== undefined];
};

// The schema of a form, from fields by name or from a whole JSON Schema of an object.
const formOf = (fields) => {
  if (typeof fields !== "object" || fields === null || isArray(fields)) {
    throw new TypeError("ctx.elicit takes the fields of its form as an object, such as { city: String, days: \"integer\" }");
  }
  const isWhole = fields.type === "object" && typeof fields.properties === "object" && fields.properties !== null;
  const named = isWhole ? fields.properties : fields;
  const properties = {};
  let required = [];
  for (const [name, given] of Object.entries(named)) {
    const [value, optional] = fieldOf(name, given);
    // Not by assignment: a field may be called __proto__.
    Object.defineProperty(properties, name, { value, enumerable: true });
    if (!optional) required.push(name);
  }
  if (Object.keys(properties).length === 0) throw new TypeError("a form has at least one field");
  if (isWhole) {
    for (const word of Object.keys(fields)) {
      if (!["$schema", "type", "title", "description", "properties", "required", "additionalProperties"].includes(word)) {
        throw new TypeError(`a form cannot have ${quote(word)}: forms are flat; give fields by their names`);
      }
    }
    required = [...(fields.required ?? [])];
    for (const name of required) {
      if (!Object.hasOwn(properties, name)) throw unfit(`${name}`, "it is required, and is none of its properties");
    }
  }
  return required.length === 0 ? { type: "object", properties } : { type: "object", properties, required };
};

// What was filled in, or why it does not fit as a text. What was left empty is its default, or null.
const filledIn = ({ properties, required = [] }, content) => {
  const values = {};
  for (const [name, schema] of Object.entries(properties)) {
    const given = Object.hasOwn(content, name) ? content[name] : null;
    if (given === null && required.includes(name)) return `${quote(name)} is missing`;
    const misfit = given === null ? undefined : misfitOf(given, schema);
    if (misfit !== undefined) return `${quote(name)}: ${misfit}`;
    Object.defineProperty(values, name, { value: given ?? schema.default ?? null, writable: true, enumerable: true, configurable: true });
  }
  return values;
};
