/** A action as a noun for people: `deploy`, `rollback`, `acceptance`. */
export function actionText(action: string): string {
  return action === 'accept' ? 'acceptance' : action;
}
