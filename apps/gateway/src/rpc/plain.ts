/** The neighbours' messages are the face's messages, field by field; only their type differs. */
export function plain<Message extends { $typeName: string }>(message: Message): Omit<Message, '$typeName'> {
  const { $typeName: _name, ...fields } = message;
  return fields;
}
