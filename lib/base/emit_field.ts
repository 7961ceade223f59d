/** Takes one field line of a message. Lines of one name come apart, in order. */
export type EmitField = (name: string, value: string) => void;
