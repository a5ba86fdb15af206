// Which container a user meets: always the same one, as its sockets carry that user's events.

/** Name of one of `wanted` containers (the variable INSTANCES); one where that is no number. */
export function instanceOf(user, wanted) {
  const instances = Math.max(1, Math.trunc(Number(wanted)) || 1);
  let hash = 0;
  for (const character of user) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return `studio-${hash % instances}`;
}
