const NAME = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED';

/**
 * Silences the note that the AWS SDK writes to stderr on Node.js 20: it is for those who choose the SDK's version,
 * not for those who run a backup. A variable is the only way that the SDK documents; one that is set is respected.
 */
export function silenceAwsSdkWarning(): void {
  process.env[NAME] ??= 'true';
}
