export interface Mutant {
  readonly name: string;
}
