#!/usr/bin/perl
# service_manager.pl: what systemd does for a unit of Type=notify with sockets, for tests on machines without it. It listens,
# passes the sockets on, and says what it is told.
#
#   service_manager.pl WATCHDOG_USEC NOTIFY_SOCKET LISTEN_SOCKET... -- PROGRAM ARGUMENT...
#
# On stdin "start" or a signal's name; on stdout "started PID", "told TEXT", "ended STATUS". It ends with stdin.
use strict;
use warnings;
use Fcntl;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket;

my ($usec, $notify, @rest) = @ARGV;
my @paths;
push @paths, shift @rest while @rest && $rest[0] ne '--';
shift @rest;
$| = 1;
my $told = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $notify) or die "$notify: $!";
my @listeners = map { IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $_, Listen => 64) or die "$_: $!" } @paths;
my $pid = 0;

sub pass_sockets {
	# First out of the way of one another.
	my @high = map { fcntl($_, Fcntl::F_DUPFD(), 100) } @listeners;
	POSIX::dup2($high[$_], 3 + $_) for 0 .. $#high;
	POSIX::close($_) for @high;
	# perl closes what it knows above 2 when it executes; these numbers it doesn't know.
	@ENV{qw(LISTEN_PID LISTEN_FDS NOTIFY_SOCKET WATCHDOG_PID WATCHDOG_USEC)} = ($$, scalar @high, $notify, $$, $usec);
}

sub start {
	$pid = fork // die "fork: $!";
	if (!$pid) {
		$^F = 200;
		pass_sockets();
		exec @rest;
		POSIX::_exit(127);
	}
	print "started $pid\n";
}

my $select = IO::Select->new($told, \*STDIN);
while (1) {
	for my $from ($select->can_read(0.05)) {
		if ($from == $told) {
			$told->recv(my $text, 4096);
			print "told $text\n";
			next;
		}
		my $n = sysread STDIN, my $line, 4096;
		if (!$n) {
			kill 'KILL', $pid if $pid;
			exit 0;
		}
		for my $word (split ' ', $line) {
			if ($word eq 'start') { start() } elsif ($pid) { kill $word, $pid }
		}
	}
	if ($pid && waitpid($pid, POSIX::WNOHANG()) == $pid) {
		print "ended ", $? >> 8, "\n";
		$pid = 0;
	}
}
