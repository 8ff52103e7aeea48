// The rules that the API has for names and numbers, so that a form can say them before it is sent.

/** What is wrong with the name of a cluster, family or service; undefined: nothing. */
export function nameProblem(what: string, name: string): string | undefined {
  if (name === '') return `${what}: say one.`
  if (name.length > 255) return `${what}: ${name.length} characters; at most 255 are allowed.`
  const wrong = name.match(/[^A-Za-z0-9_-]/)
  if (wrong) return `${what}: "${wrong[0]}" is not allowed; use letters, digits, hyphens and underscores.`
  return undefined
}

/** What is wrong with a whole number that was typed in. */
export function numberProblem(what: string, text: string, low: number, high: number): string | undefined {
  if (!/^-?\d+$/.test(text.trim())) return `${what}: a whole number from ${low} to ${high}.`
  const value = Number(text)
  if (value < low || value > high) return `${what}: ${value} is outside ${low} to ${high}.`
  return undefined
}
