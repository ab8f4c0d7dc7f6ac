/** `--name=value` of the command line; undefined when it is not there. */
export function option(name) {
  const found = process.argv.find((arg) => arg.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/** `--name=a,b`; undefined when it is not there. */
export const listOption = (name) =>
  option(name)
    ?.split(',')
    .filter((each) => each !== '');
