OPENQASM 3.0;
include "stdgates.inc";
// A GHZ state whose qubits are rotated before they are measured.
input float theta;
input float phi;
qubit[4] q;
h q[0];
cx q[0], q[1];
cx q[1], q[2];
cx q[2], q[3];
ry(theta) q[0];
rx(phi) q[1];
ry(theta / 2) q[2];
rz(0.3) q[3];
ry(0.7) q[3];
