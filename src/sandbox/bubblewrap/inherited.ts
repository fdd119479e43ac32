/** A wall in which a descriptor of the runner is open is refused, so whoever builds walls closes them first. */
export { closeInheritedDescriptors } from '../../lib/descriptors.ts';
