/* The SDK's version choice. There is one set of declarations here, so nothing is chosen. */
