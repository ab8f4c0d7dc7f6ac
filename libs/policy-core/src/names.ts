/** How the names in a policy set are spelt. */

export const organisationPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const rolePattern = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;
/** Of policies, bindings and obligations. */
export const idPattern = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
