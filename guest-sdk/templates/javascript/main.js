// The tool `{{name}}`.

/**
 * Greets somebody by name.
 *
 * @param {string} name Whom to greet.
 * @returns {string}
 */
export function main({ name }) {
  return `Hello, ${name}!`;
}
