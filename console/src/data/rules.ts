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

const ipv4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/

export function isRange(text: string): boolean {
  const [address, bits, more] = text.split('/')
  return ipv4.test(address ?? '') && /^\d{1,2}$/.test(bits ?? '') && Number(bits) <= 32 && more === undefined
}

/** Where an inbound rule lets traffic in from: a range of addresses, or the members of a security group. */
export function sourceProblem(text: string): string | undefined {
  if (isRange(text) || /^sg-[0-9a-f]+$/.test(text)) return undefined
  return 'Source: a range such as 0.0.0.0/0 or 10.0.0.0/16, or a security group sg-….'
}

export interface PairDraft {
  key: string
  value: string
}

/** What is wrong with tags, by "[0].key" and "[0].value". */
export function tagProblems(tags: PairDraft[]): Record<string, string> {
  const problems: Record<string, string> = {}
  const wrong = /[^\p{L}\p{N}\s+\-=._:/@]/u
  tags.forEach((tag, i) => {
    if (tag.key === '') problems[`[${i}].key`] = 'Key: say one, or remove the tag.'
    else if (tag.key.length > 128) problems[`[${i}].key`] = 'Key: at most 128 characters.'
    else if (tags.findIndex(other => other.key === tag.key) < i) problems[`[${i}].key`] = `Key: "${tag.key}" is given twice.`
    if (tag.value.length > 256) problems[`[${i}].value`] = 'Value: at most 256 characters.'
    for (const part of ['key', 'value'] as const) {
      if (tag[part].toLowerCase().startsWith('aws:')) problems[`[${i}].${part}`] = 'The prefix aws: is reserved.'
      else if (wrong.test(tag[part])) problems[`[${i}].${part}`] = 'Only letters, digits, spaces and + - = . _ : / @ are allowed.'
    }
  })
  return problems
}

/** The problems of those fields that something was typed into: the others are said when the form is sent. */
export function typedProblems<P extends Partial<Record<string, string>>>(draft: object, problems: P): P {
  const valueAt = (path: string) =>
    path.split(/[.[\]]+/).filter(Boolean).reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], draft)
  return Object.fromEntries(Object.entries(problems).filter(([path]) => {
    const value = valueAt(path)
    return typeof value === 'string' && value !== ''
  })) as P
}
