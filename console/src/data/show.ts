// The same request in the words of other tools: the AWS CLI, Terraform, JSON.

type Value = unknown

function clean(value: Value): Value {
  if (Array.isArray(value)) return value.map(clean)
  if (value && typeof value === 'object' && !(value instanceof Date))
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, v]) => v !== undefined && !(Array.isArray(v) && v.length === 0))
        .map(([k, v]) => [k, clean(v)]))
  return value
}

export function asJson(request: object): string {
  return JSON.stringify(clean(request), null, 2)
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()
}

/** aws SERVICE OPERATION with a flag for each member. */
export function asCli(service: string, operation: string, request: object): string {
  const flags = Object.entries(clean(request) as Record<string, Value>).map(([name, value]) => {
    if (typeof value === 'boolean') return value ? `--${kebab(name)}` : `--no-${kebab(name)}`
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
    return `--${kebab(name)} ${/^[\w./:@%+=,-]+$/.test(text) ? text : quote(text)}`
  })
  return [`aws ${service} ${operation}`, ...flags].join(' \\\n    ')
}

function snake(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()
}

function hclString(text: string): string {
  return JSON.stringify(text).replaceAll('${', '$${').replaceAll('%{', '%%{')
}

function hclValue(value: Value, indent: string): string {
  if (typeof value === 'string') return hclString(value)
  if (Array.isArray(value)) {
    if (value.every(v => typeof v !== 'object')) return `[${value.map(v => hclValue(v, indent)).join(', ')}]`
    return `[\n${value.map(v => `${indent}  ${hclValue(v, `${indent}  `)}`).join(',\n')}\n${indent}]`
  }
  if (value && typeof value === 'object') {
    const rows = Object.entries(value).map(([k, v]) => `${indent}  ${/^[A-Za-z_]\w*$/.test(k) ? k : hclString(k)} = ${hclValue(v, `${indent}  `)}`)
    return rows.length > 0 ? `{\n${rows.join('\n')}\n${indent}}` : '{}'
  }
  return String(value)
}

export interface TerraformRules {
  /** Members that Terraform wants as one JSON text. */
  json?: string[]
  /** Members that are nested blocks there, with the block's name. */
  blocks?: Record<string, string>
  /** Other names. */
  names?: Record<string, string>
  leaveOut?: string[]
}

function block(name: string, value: Value, indent: string): string {
  if (Array.isArray(value)) return value.map(v => block(name, v, indent)).join('\n')
  const rows = Object.entries(value as object).map(([k, v]) =>
    v && typeof v === 'object' && !Array.isArray(v) ? block(snake(k), v, `${indent}  `) : `${indent}  ${snake(k)} = ${hclValue(v, `${indent}  `)}`)
  return `${indent}${name} {\n${rows.join('\n')}\n${indent}}`
}

/** resource "TYPE" "NAME" { … } */
export function asTerraform(type: string, name: string, request: object, rules: TerraformRules): string {
  const rows = Object.entries(clean(request) as Record<string, Value>)
    .filter(([member]) => !rules.leaveOut?.includes(member))
    .map(([member, value]) => {
      const wanted = rules.names?.[member] ?? snake(member)
      if (member === 'tags') return `  tags = ${hclValue(Object.fromEntries((value as { key: string; value: string }[]).map(t => [t.key, t.value])), '  ')}`
      if (rules.json?.includes(member)) return `  ${wanted} = jsonencode(${hclValue(value, '  ')})`
      if (rules.blocks?.[member]) return block(rules.blocks[member], value, '  ')
      return `  ${wanted} = ${hclValue(value, '  ')}`
    })
  return `resource "${type}" "${name.replace(/\W/g, '_')}" {\n${rows.join('\n')}\n}`
}
