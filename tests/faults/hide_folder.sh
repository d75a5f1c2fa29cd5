# Usage: bash hide_folder.sh FOLDER OPTIONS exec|read-only KEPT... -- COMMAND...
# In a mount namespace, mount an empty tmpfs over FOLDER and keep some folders below it visible. Then run
# COMMAND; with read-only, FOLDER and /var/tmp cannot be written any more.
set -e
folder=$1 options=$2 end=$3
shift 3
kept=()
while [ "$1" != -- ]; do
    kept+=("$1")
    shift
done
shift
mount -t tmpfs tmpfs /mnt
for number in "${!kept[@]}"; do
    mkdir "/mnt/$number"
    mount --bind "${kept[$number]}" "/mnt/$number"
done
mount -t tmpfs -o "mode=1777,${options}" tmpfs "$folder"
for number in "${!kept[@]}"; do
    mkdir -p "${kept[$number]}"
    mount --bind "/mnt/$number" "${kept[$number]}"
done
if [ "$end" = read-only ]; then
    mount -o remount,bind,ro "$folder"
    mount --bind "$folder" /var/tmp
fi
umount -R /mnt
exec "$@"
