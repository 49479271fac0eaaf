# SPDX-License-Identifier: GPL-2.0
#
# rule: 6 installed: the udev rule starts the unit, systemd keeps it, its sandbox hinders nothing
# kernels: 6.12
# timeout: 480
# boot: own
#
# systemd is the first process of a PID namespace, with udevd, journald and
# nothing else. It has the guest's /dev, /run and /tmp.
. "$GRID_TOP/tools/testing/vm/repaird.sh"
unset DM_DISABLE_UDEV

inside() { nsenter --pid="/proc/$systemd/ns/pid_for_children" -m -t "$systemd" -- "$@"; }
systemctl() { inside systemctl "$@"; }
active() { systemctl -q is-active "$1" 2> /dev/null; }
show() { systemctl show --value -p "$1" gridrepaird; }
shows() { [ "$(show "$1")" = "$2" ]; }
journal() { journalctl -q -o cat -u gridrepaird; }
says() { [[ $(journal) = *$1* ]]; }

# configure SOURCE-LINE...: what the daemon is to read next.
configure()
{
	{
		printf 'log-level = debug\n[t0]\n'
		printf 'source = %s\n' "$@"
	} > /etc/gridrepaird.conf
}

# reload: it is done when this returns; systemctl only sends a signal.
reload()
{
	local before
	before=$(reloads)
	systemctl reload gridrepaird
	wait_until 60 more_reloads "$before"
}
reloads() { journal | grep -c "reloaded /etc/gridrepaird.conf" || :; }
more_reloads() { [ "$(reloads)" -gt "$1" ]; }

# repairs SOURCE: after a reload it is that one which repairs.
repairs()
{
	local before
	configure "$1"
	before=$(dm_get t0 repaired)
	reload
	lose 1 2
	gridctl wait t0 --timeout="$(long 60)s" || fail "$1: $(journal | tail -n 20)"
	assert_eq "$(dm_get t0 repaired)" $((before + 2))
	wait_until 20 says "block 2: repaired from $1"
}

log "make install"
# It is built already; looking for that again takes long here.
make -s -o all PKG_CONFIG=true -C "$GRID_TOP/tools" install > /tmp/install 2>&1 ||
	fail "install: $(tail -n 5 /tmp/install)"
release=$(uname -r)
modules=/tmp/root/lib/modules/$release
mkdir -p "$modules/updates"
cp "$GRID_MODULES"/{grid_missing,dm-grid}.ko "$modules/updates"
touch "$modules"/modules.{order,builtin}
depmod -b /tmp/root "$release" 2> /dev/null

log "systemd"
rm -rf /lib/systemd/system-generators/* /etc/systemd/system/*.wants
cat > /etc/systemd/system/tiny.target << 'END'
[Unit]
DefaultDependencies=no
Wants=systemd-journald.socket systemd-journald.service
Wants=systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service
After=systemd-journald.service systemd-udevd.service
END
mkdir -p /sys/fs/cgroup/systemd
# shellcheck disable=SC2016
bash -c 'echo $$ > /sys/fs/cgroup/systemd/cgroup.procs
	exec unshare --pid --mount --cgroup --fork --kill-child bash -c "
		mount -t proc proc /proc
		umount /sys/fs/cgroup
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		mount --bind /tmp/root/lib/modules /lib/modules
		exec env -i container=test PATH=$PATH /lib/systemd/systemd \
			--unit=tiny.target --show-status=no --log-target=journal"' \
	> /tmp/systemd.log 2>&1 &
systemd=$!
defer kill_wait $systemd
wait_until 120 active tiny.target

log "the unit loads the module, and does nothing without a configuration"
systemctl start gridrepaird
assert_eq "$(show ConditionResult)" no
[ -d /sys/module/grid_missing ] || fail "grid_missing was not loaded"

log "the device comes, and is ready: the rule starts the unit (S3: a held one is none of systemd's)"
bs=65536
load_modules
ram_disk 4
lower=$REPLY
replica=/var/lib/replica
openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff \
	-iv 00000000000000000000000000000000 -in /dev/zero 2> /dev/null |
	head -c 4M > "$replica" || :
mkfs.ext4 -q -F -O ^has_journal -U 12345678-1234-1234-1234-123456789abc "$replica"
dd if="$replica" of="$lower" bs=1M oflag=direct status=none
configure "$replica"
defer dm_remove t0
gridctl create t0 "$lower" --block-size=64K --checksum=sha256 --start=held --no-helper=300s --park-timeout=300s 2> /dev/null
dev=/dev/mapper/t0
gridctl ready t0
wait_until 60 active gridrepaird
assert_eq "$(show Type)" notify
assert_eq "$(show ActiveState)" active
wait_until 60 says "t0: attached"
assert_eq "$(dm_get t0 timeouts)" 0
wait_until 60 test -b /dev/disk/by-uuid/12345678-1234-1234-1234-123456789abc

assert_eq "$(dm_get t0 timeouts)" 0

log "link_priority: the disk below, opened for writing and closed, doesn't get the link"
is_grid() { assert_eq "$(readlink -f /dev/disk/by-uuid/12345678-1234-1234-1234-123456789abc)" "$(readlink -f $dev)" "$1"; }
is_grid "by-uuid"
: 3<> "$lower"
inside udevadm settle
# The same event once more, whatever the watch did, and waited for.
inside udevadm trigger --settle --action=change "$lower"
assert_match "$(udevadm info --query=property "$lower")" DEVLINKS=.*/by-uuid/12345678 "the disk wants it"
is_grid "by-uuid, after the disk below was written to"

log "in its sandbox: a disk, TCP, a socket, TLS"
loop_disk "$replica" -r
repairs "$REPLY"
serve 10809 -t 1 file "$replica"
repairs nbd://127.0.0.1:10809/
nbdkit -f -U /run/nbd.sock file "$replica" &
defer kill_wait $!
wait_until 20 test -S /run/nbd.sock
# As if it ran as a user of its own.
chown 12345 /run/nbd.sock
chmod 600 /run/nbd.sock
repairs "nbd+unix:///?socket=/run/nbd.sock"
mkdir /etc/keys
"$GRID_TOP/tools/testing/tools/certificates" /etc/keys
serve 10810 --tls=require --tls-certificates=/etc/keys --tls-verify-peer file "$replica"
repairs "nbds://127.0.0.1:10810/?tls-certificates=/etc/keys"
assert_eq "$(show NRestarts)" 0
wait_until 60 says "memory is locked"
for bad in "cannot lock" PR_SET_IO_FLUSHER; do
	! says "$bad" || fail "$(journal)"
done

log "a reload drops nothing"
: > /tmp/requests
serve 10811 --filter=log --filter=delay file "$replica" rdelay=3 logfile=/tmp/requests
late="nbd://127.0.0.1:10811/
min-age = 60s
answer-timeout = 60s"
configure "$late"
reload
lose 4 5 6 7
read_background 5 /tmp/out
reader=$REPLY
# Requests are in the log when they arrive, and in another line when answered.
asked() { [ "$(grep -c " Read .*count=" /tmp/requests)" = "$1" ]; }
wait_until 60 asked 4
configure "$late
batch = 8"
reload
gridctl wait t0 --timeout="$(long 90)s"
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0 "a reader over the reload"
asked 4 || fail "blocks were asked for again: $(cat /tmp/requests)"

log "stop, and start"
configure nbd://127.0.0.1:10809/
systemctl stop gridrepaird
assert_eq "$(show Result) $(show ActiveState)" "success inactive"
lose 8 9
is waiting 2
systemctl start gridrepaird
gridctl wait t0 --timeout="$(long 60)s"

log "kill -9"
systemctl kill -s KILL gridrepaird
lose 10 11
wait_until 60 shows NRestarts 1
gridctl wait t0 --timeout="$(long 60)s"
active gridrepaird || fail "$(journal)"

log "stopped in its tracks: the watchdog"
mkdir /var/lib/metrics /etc/systemd/system/gridrepaird.service.d
cat > /etc/systemd/system/gridrepaird.service.d/test.conf << 'END'
[Service]
WatchdogSec=10s
ReadWritePaths=/var/lib/metrics
END
sed -i '1i metrics = /var/lib/metrics/grid.prom' /etc/gridrepaird.conf
systemctl daemon-reload
systemctl restart gridrepaird
wait_until 60 test -s /var/lib/metrics/grid.prom
restarts=$(show NRestarts)
systemctl kill -s STOP gridrepaird
lose 12 13
read_background 12 /tmp/out
reader=$REPLY
restarted() { [ "$(show NRestarts)" -gt "$restarts" ]; }
wait_until 90 restarted
says "Watchdog timeout" || fail "$(journal | tail)"
gridctl wait t0 --timeout="$(long 60)s"
wait "$reader"
assert_eq "$(cat /tmp/out.status)" 0 "a reader over the watchdog's restart"
cmp "$replica" "$dev"
assert_eq "$(dm_get t0 verify_failed)" 0
systemctl stop gridrepaird
