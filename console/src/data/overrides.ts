// What a task is run with instead of what its definition says.
import type { ContainerOverride, TaskDefinition } from '@aws-sdk/client-ecs'

import { commandProblem, words } from './draft'
import type { PairDraft } from './rules'

export interface OverrideDraft {
  command: string
  environment: PairDraft[]
}

/** By the name of the container. */
export type OverrideDrafts = Record<string, OverrideDraft>

export const noOverride: OverrideDraft = { command: '', environment: [] }

export function keyProblem(draft: OverrideDraft, i: number): string | undefined {
  const { key } = draft.environment[i]!
  if (!key) return 'Key: say one.'
  return draft.environment.findIndex(pair => pair.key === key) < i ? `Key: "${key}" is given twice.` : undefined
}

export function overridesProblem(drafts: OverrideDrafts): boolean {
  return Object.values(drafts).some(draft => commandProblem('Command', draft.command) || draft.environment.some((_, i) => keyProblem(draft, i)))
}

/** Undefined: everything as the definition says. */
export function overridesOf(drafts: OverrideDrafts, definition: TaskDefinition | undefined): ContainerOverride[] | undefined {
  const found = (definition?.containerDefinitions ?? [])
    .map(({ name }) => ({ name, draft: drafts[name ?? ''] ?? noOverride }))
    .filter(({ draft }) => draft.command || draft.environment.length > 0)
    .map(({ name, draft }) => ({
      name,
      command: draft.command ? words(draft.command) : undefined,
      environment: draft.environment.length > 0 ? draft.environment.map(({ key, value }) => ({ name: key, value })) : undefined,
    }))
  return found.length > 0 ? found : undefined
}
