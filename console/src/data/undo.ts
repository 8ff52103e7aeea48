// Making several things of which none may stay when a later one fails.

export class Undo {
  private steps: (() => Promise<unknown>)[] = []

  /** Makes something, and keeps how it is removed again. */
  async make<T>(make: () => Promise<T>, remove: (made: T) => Promise<unknown>): Promise<T> {
    const made = await make()
    this.steps.push(() => remove(made))
    return made
  }

  /** Removes what was made, the last first. What cannot be removed is named in the error. */
  async all(cause: Error): Promise<Error> {
    const left: string[] = []
    for (const step of this.steps.reverse()) {
      try {
        await step()
      } catch (e) {
        left.push((e as Error).message)
      }
    }
    this.steps = []
    if (left.length === 0) return cause
    return new Error(`${cause.message} And what was made before could not be removed again: ${left.join('; ')}`)
  }
}
